"""A dozen acts in the form of the repositories of github.com/kazakhstan-law, written for the tests; every text is invented."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

BASE = "07-ministerial/103000000000-ministrlik"


def write_acts(root: Path) -> Path:
    """The folder with the twelve acts below `root`."""
    for folder, files in ACTS.items():
        for name, text in files.items():
            path = root / BASE / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else dedent(text).lstrip("\n").encode())
    return root


def meta(code: str, date: str, *, requisite: str = "Приказ", languages: tuple[str, ...] = ("kaz", "rus")) -> str:
    dates = "".join(f"  {name}: {date}\n" for name in languages)
    sources = "".join(f"  {name}: https://zan.example.kz/doc/{code}/{name}\n" for name in languages)
    title = "title:\n  rus: О библиотеке\n  kaz: Кітапхана туралы\n"
    return f"act_code: '{code}'\nrequisite: {requisite}\n{title}form: ПРИК\napproved_on: {date}\nversion_date:\n{dates}source:\n{sources}"


ACTS: dict[str, dict[str, str | bytes]] = {
    # 1 articles with anchors, notes on amendments, a point that is no more, an approval, signatures
    "2015/0105-o-biblioteke-1001": {
        "meta.yaml": meta("1001", "2020-01-05"),
        "kaz.md": """
            # Кітапхана туралы

            > *Ескерту. Тақырыбы жаңа редакцияда - 05.01.2020 № 7 бұйрығымен.*

            ## 1-тарау. Жалпы ережелер

            <a id="st1"></a>

            ### 1-бап. Негізгі ұғымдар

            1. Осы бұйрықта мынадай ұғымдар пайдаланылады:

               1) кітапхана – кітаптар сақталатын және оқырманға берілетін орын;

               2) оқырман – кітапхананың қызметін пайдаланатын адам.

            2. Алып тасталды - 05.01.2020 № 7 бұйрығымен.

            3. Кітапхана күн сайын 9 сағат жұмыс істейді.

               > *Ескерту. 1-бапқа өзгеріс енгізілді - 05.01.2020 № 7 бұйрығымен.*

            <a id="st2"></a>

            ### 2-бап. Кітап беру

            Кітап оқырманға он күнге беріледі.

            Мерзімі өткен кітап үшін айыппұл алынбайды.

            **Министр**

            **А. Б. Ойдантуған**

            > *Министрдің*  \\n> *2015 жылғы 5 қаңтардағы*  \\n> *бұйрығымен бекітілген*

            ## Кітап есебін жүргізу қағидалары

            1. Кітаптың есебі журналда жүргізіледі.
            """.replace("\\n", "\n            "),
        "rus.md": """
            # О библиотеке

            ## Глава 1. Общие положения

            <a id="st1"></a>

            ### Статья 1. Основные понятия

            1. В настоящем приказе используются следующие понятия:

               1) библиотека – место, где хранятся и выдаются читателю книги;

               2) читатель – человек, который пользуется услугами библиотеки.

            *2. Исключен приказом от 05.01.2020 № 7.*

            3. Библиотека работает каждый день 9 часов.

            <a id="st2"></a>

            ### Статья 2. Выдача книг

            Книга выдаётся читателю на десять дней.

            За книгу с истёкшим сроком штраф не взимается.

            **Министр**

            **А. Б. Вымышленный**

            > *Утверждены*  \\n> *приказом Министра*

            ## Правила учёта книг

            1. Учёт книг ведётся в журнале.
            """.replace("\\n", "\n            "),
    },
    # 2 the same act as the first, an older layout and an older text
    "20150105-o-biblioteke-1001": {
        "kaz.md": "---\nact_code: '1001'\nversion_date: 2015-01-05\n---\n\n# Кітапхана туралы\n\nЕскі мәтін.\n",
        "rus.md": "---\nact_code: '1001'\nversion_date: 2015-01-05\n---\n\n# О библиотеке\n\nСтарый текст.\n",
    },
    # 3 no anchors, points alone, names of officials in the text
    "2016/0301-o-sadakh-1002": {
        "meta.yaml": meta("1002", "2016-03-01"),
        "kaz.md": """
            # Бақтар туралы

            Бақтарды күту мақсатында БҰЙЫРАМЫН:

            1. Бақ күтімінің тәртібі бекітілсін.

            2. Ағаш басқармасы мыналарды:

               1) ағаштарды суаруды;

               2) бұтақтарды кесуді қамтамасыз етсін.

            3. Бақылау орынбасарға жүктелсін.

            **Ә. Ғ. Жалғанов**
            """,
        "rus.md": """
            # О садах

            В целях ухода за садами ПРИКАЗЫВАЮ:

            1. Утвердить порядок ухода за садом.

            2. Управлению деревьев обеспечить:

               1) полив деревьев;

               2) обрезку веток.

            3. Контроль возложить на заместителя.

               **Ә. Ғ. Жалғанов**
            """,
    },
    # 4 bold articles, which are no signatures
    "1993/0401-o-reke-1003": {
        "meta.yaml": meta("1003", "1993-04-01"),
        "kaz.md": '# Өзен туралы\n\n<a id="st1"></a>\n\n**1-бап. Өзен – ортақ игілік**\n\n<a id="st2"></a>\n\n**2-бап**\n\nӨзенді ластауға болмайды.\n\n**Төраға**\n',
        "rus.md": '# О реке\n\n<a id="st1"></a>\n\n**Статья 1. Река – общее достояние**\n\n<a id="st2"></a>\n\n**Статья 2**\n\nРеку загрязнять нельзя.\n\n**Председатель**\n',
    },
    # 5 a large act: its file is a list of its parts
    "2018/0501-kodeks-1004": {
        "meta.yaml": meta("1004", "2018-05-01"),
        "kaz.md": "# Орман кодексі\n\nКіріспе.\n\n- [2-бөлім](kaz/sec002.md)\n- [1-бөлім](kaz/sec001.md)\n",
        "kaz/sec001.md": '---\npart_of: ../kaz.md\n---\n\n## 1-бөлім\n\n<a id="st1"></a>\n\n### 1-бап\n\nОрман қорғалады.\n',
        "kaz/sec002.md": '---\npart_of: ../kaz.md\n---\n\n## 2-бөлім\n\n<a id="st2"></a>\n\n### 2-бап\n\nОтын заңмен дайындалады.\n',
    },
    # 6 a large act whose parts are copies of what its file has
    "2018/0601-zakon-1005": {
        "meta.yaml": meta("1005", "2018-06-01"),
        "kaz.md": '# Тау туралы\n\n## 1-тарау\n\n<a id="st1"></a>\n\n### 1-бап\n\nТау – табиғат ескерткіші.\n',
        "kaz/ch001.md": '↑ [Редакцияның толық мәтіні](../kaz.md)\n\n## 1-тарау\n\n<a id="st1"></a>\n\n### 1-бап\n\nТау – табиғат ескерткіші.\n',
    },
    # 7 one language alone
    "2019/0701-o-dozhde-1006": {
        "meta.yaml": meta("1006", "2019-07-01", languages=("rus",)),
        "rus.md": "# О дожде\n\n1. Дождь измеряется каждое утро.\n",
    },
    # 8 repealed, as a note of the text says
    "2004/0801-o-vetre-1007": {
        "meta.yaml": meta("1007", "2004-08-01"),
        "kaz.md": "# Жел туралы\n\n> *Ескерту. Күші жойылды - 24.08.2010 № 8 шешімімен.*\n\n1. Жел күн сайын өлшенеді.\n",
        "rus.md": "# О ветре\n\n> *Сноска. Утратило силу решением от 24.08.2010 № 8.*\n\n1. Ветер измеряется каждый день.\n",
    },
    # 9 tables, blanks to be filled in
    "2021/0901-o-zhurnale-1008": {
        "meta.yaml": meta("1008", "2021-09-01"),
        "kaz.md": """
            # Журнал туралы

            1. Журналдың нысаны:

            <table>
            <tr>
            <td>№</td>
            <td>
            Кітаптың
            атауы
            </td>
            <td>Саны</td>
            </tr>
            <tr><td>1</td><td>2</td><td>3</td></tr>
            <tr><td>1.</td><td>Көктем</td><td>4</td></tr>
            <tr><td>2.</td><td></td><td></td></tr>
            <tr><td colspan="2">Барлығы<br/>бірге</td><td><table><tr><td>4</td></tr></table></td></tr>
            </table>

            ```
              Жауапты адам __________________ (қолы)
            ```

            Толтырған: ____________________
            """,
        "rus.md": "# О журнале\n\n1. Форма журнала:\n\n<table><tr><td>№</td><td>Название</td><td>Число</td></tr></table>\n",
    },
    # 10 numbers that differ between the languages
    "2022/1001-o-raznom-1009": {
        "meta.yaml": meta("1009", "2022-10-01"),
        "kaz.md": "# Әртүрлі туралы\n\n1. Бірінші тармақ.\n\n2. Екінші тармақ.\n\n   Екінші тармақтың жалғасы.\n\n4. Төртінші тармақ.\n",
        "rus.md": "# О разном\n\n1. Пункт первый.\n\n2. Пункт второй.\n\n3. Пункт третий.\n\n4. Пункт четвёртый.\n",
    },
    # 11 a block of agreement, repealed by its requisite
    "2013/1101-o-mostakh-1010": {
        "meta.yaml": meta(
            "1010", "2013-11-01", requisite="Приказ от 1 ноября 2013 года. Утратил силу приказом от 1 мая 2014 года"
        ),
        "kaz.md": "# Көпірлер туралы\n\n1. Көпір жыл сайын тексеріледі.\n\n«КЕЛІСІЛДІ»\n\nКөлік министрі\n\n2013 жылғы 1 қараша\n",
        "rus.md": "# О мостах\n\n1. Мост проверяется ежегодно.\n\n«СОГЛАСОВАНО»\n\nМинистр транспорта\n\n1 ноября 2013 года\n",
    },
    # 12 a text that is not UTF-8, and a meta.yaml that is no YAML
    "2014/1201-o-snege-1011": {
        "meta.yaml": "act_code: '1011\n  : [",
        "kaz.md": "# Қар туралы\n\n1. Қар тазаланады.\n".encode("utf-16"),
        "rus.md": "# О снеге\n\n1. Снег убирается.\n",
    },
}
