import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.clean import make_cleaner
from qaz_llm.data.config import DataConfig
from qaz_llm.data.protect.decontaminate import make_decontaminator
from qaz_llm.data.quality.boilerplate import Stripped, strip_boilerplate, strip_boilerplates
from qaz_llm.data.quality.furniture import PHRASES
from qaz_llm.data.quality.line_kinds import is_boilerplate, kind_of_line, lines_to_drop
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.segment import words
from qaz_llm.records import Document

FURNITURE = [
    "Басты бет | Жаңалықтар | Байланыс",
    "Басты бет|Жаңалықтар|Байланыс",
    "Қазақстан  Әлем  Спорт  Мәдениет",
    "Дереккөз: tengrinews.kz",
    "Негізгі бет » Баспасөз қызметі » Жаңалықтар 24 тамыз 2015",
    "Главная » Деятельность Комитета",
    "Саясат • Қоғам • Спорт",
    "Главная » Новости » Казахстан",
    "© 2024. Барлық құқықтар қорғалған.",
    "Telegram арнамызға жазылыңыз!",
    "Біздің Instagram парақшамызға тіркеліңіз!",
    "Оқи отырыңыз: Алматыда жаңа мектеп ашылды",
    "Сондай-ақ, оқыңыз: Ауа райы",
    "Тағы да оқыңыз",
    "Пікір қалдыру",
    "Пікір жазу",
    "Бөлісу:",
    "Достарыңызбен бөлісіңіз",
    "Facebook Twitter ВКонтакте WhatsApp",
    "Telegram | WhatsApp",
    "Фото: Бауыржан Жуасбаев",
    "Сурет: ашық дереккөзден",
    "Фото ашық дереккөзден алынды",
    "Қаралды: 1 245",
    "1245 қаралым",
    "Сайт cookie файлдарын пайдаланады.",
    "Материалды көшіріп басқанда сайтқа белсенді сілтеме жасау міндетті.",
    "Қате тапсаңыз, белгілеп, Ctrl+Enter басыңыз",
    "Редакция мекенжайы: Алматы қ., Абай даңғылы, 1, тел.: 8 (727) 250-00-00",
    "Байланыс телефоны: 8 (7112) 50-40-02, e-mail: oral@mail.ru",
    "Құпиялылық саясаты",
    "Келесі мақала →",
    "Толығырақ...",
    "Тегтер: спорт, футбол",
    "Читайте также",
    "Читайте также: В Алматы открыли школу",
    "Поделиться в Facebook",
    "Оставить комментарий",
    "Просмотров: 312",
    "Подпишитесь на наш канал в Telegram",
    "При использовании материалов сайта активная ссылка обязательна.",
    "Нашли ошибку? Выделите её и нажмите Ctrl+Enter",
    "Все права защищены.",
    "Политика конфиденциальности",
    "Опубликовано: 12.03.2015, 14:20",
    "Адрес редакции: г. Алматы, пр. Абая, 1. Тел.: 250-00-00",
    "We use cookies to improve your experience.",
    "Copyright 2005 Example News",
    "All rights reserved",
    "Skip to main content",
    "Share this on Facebook",
]

PROSE = [
    "Арғын → Қуандық → Алтай → Қарпық",
    "Жыл | Халық саны | Өсімі",
    "кітап / кітаптың / кітапқа",
    "Дереккөз: М. Әуезов, Абай жолы",
    "Адрес: 050000",
    "Ол арнаға жазылып, екі жыл бойы барлық хабарын көріп жүрді.",
    "Басты бетте жаңа мақала шықты.",
    "Келесі күні ол ауылға келді",
    "Іздеу жұмыстары тоқтамайды .",
    "Байланыс кілт үзілді.",
    "Пікірлер екіге жарылды.",
    "Фото көрмесі Алматыда ашылды.",
    "Сурет салу – оның сүйікті ісі.",
    "Сондай-ақ ол көп оқыды.",
    "Редакция қызметкерлері жиналысқа келді.",
    "Комментарии к закону опубликованы на сайте министерства вчера вечером.",
    "Телефон зазвонил, и он снял трубку телефона.",
    "Подошел ко мне,   улыбнулся,   поцелуем руки коснулся...",
    "молебен   и   затеплила  свечку  в  девичьей  перед  иконой  всех  скорбящих",
    "« Көкшетау » , « Айырылған аққулар » , « Альбатрос »",
    "| Ұзындық | Таңбалы | Таңбасыз |",
    "Java is not the same as JavaScript.",
    "Copyright infringement must be avoided.",
    "Home and its sorrows",
    "Read more books and you will know more.",
    "",
]


@pytest.mark.parametrize("line", FURNITURE)
def test_furniture(line: str) -> None:
    assert is_boilerplate(line)


@pytest.mark.parametrize("line", PROSE)
def test_prose_stays(line: str) -> None:
    assert not is_boilerplate(line)


def strip_slowly(text: str) -> Stripped:
    """The oracle of the kernel: every line is read with every phrase, every word counted."""
    lines = text.split("\n")
    kinds = {number: kind_of_line(line) for number, line in enumerate(lines)}
    gone = set(lines_to_drop(lines, kinds))
    if not gone:
        return Stripped(text, 0, 0.0)
    total, words_gone = len(words(text)), sum(len(words(lines[number])) for number in gone)
    kept = [line for number, line in enumerate(lines) if number not in gone]
    return Stripped("\n".join(kept).strip(), len(gone), words_gone / total if total else 0.0)


PIECES = st.one_of(
    st.sampled_from(sorted({word for phrase in PHRASES for word in phrase.words})),
    st.sampled_from(FURNITURE + PROSE),
    st.sampled_from([" ", "  ", "\t", "\n", "|", " | ", " » ", "© ", "(c) ", ": ", "-", ". ", "—", "\u00a0", "12", "А", "İ"]),
    st.text("аАбоқі .|,\n", max_size=12),
)  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=15).map("".join), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_the_kernel_passes_over_no_boilerplate(texts: list[str]) -> None:
    assert strip_boilerplates(scan_texts(texts)) == [strip_slowly(text) for text in texts]


def test_lines_and_words_are_counted() -> None:
    text = "Қар ериді, күн жылынды.\nПікір қалдыру\n\n© 2024\n"
    assert strip_boilerplate(text) == Stripped("Қар ериді, күн жылынды.", 2, 3 / 7)
    assert strip_boilerplates(scan_texts([])) == []
    assert strip_boilerplate("Бөлісу") == Stripped("", 1, 1.0)


STAYS = {
    "genealogy": "Арғын → Қуандық → Алтай → Қарпық\nАрғын → Сүйіндік → Қаржас → Алтынторы\nҚыпшақ → Торы → Ұзын → Көлденең",
    "declension": "кітап → кітаптың → кітапқа → кітапты\nдала → даланың → далаға → даланы",
    "table": "Жыл | Халық саны | Өсімі\n2010 | 1642 | 14\n2011 | 1660 | 18",
    "one row": "Тоқтар • Әубәкіров • Талғат",
    "table of sections": "Саясат | Спорт | Мәдениет\n12 | 40 | 7",
    "glossary": "Кіру\nШығу\nТүйін\nТоқ\nКернеу",
    "glossary of two": "Сурет: бейнеленген нәрсе\nӘуен: дыбыстар тізбегі\nБояу: түс беретін зат",
    "heading": "Байланыс",
    "buttons of a lesson": "Тіркелу\nІздеу",
    "address": "Адрес: 050000",
    "newspaper": "Редакция: 1913 жылы шыққан «Қазақ» газеті, оның тарихы 1913-1918 жылдарды қамтиды",
    "reference": "Дереккөз: М. Әуезов, Абай жолы",
    "votes": "Дауыс: 120",
    "menu in a lesson": "Басты бет | Жаңалықтар | Байланыс",
    "contacts of a list": "Редакция телефоны: 8 (727) 250-00-00",
}
BEFORE = "Бұл тізімді ауылдың ақсақалдары ұзақ жыл бойы жинаған, оны мектепте де оқытады.\n"
AFTER = "\nОсы тізім туралы кітап былтыр шықты, оны әр үйден табуға болады."


@pytest.mark.parametrize("lines", STAYS.values(), ids=STAYS)
def test_content_that_is_built_like_furniture_stays(lines: str) -> None:
    text = BEFORE + lines + AFTER
    assert strip_boilerplate(text) == Stripped(text, 0, 0.0)


@pytest.mark.parametrize(
    "kind",
    ["genealogy", "declension", "table", "one row", "table of sections", "glossary of two", "address", "reference"],
)
def test_also_where_it_ends_the_text(kind: str) -> None:
    text = BEFORE + STAYS[kind]
    assert strip_boilerplate(text) == Stripped(text, 0, 0.0)


def test_at_an_edge_it_goes() -> None:
    prose = "Кеше ауылда той болды, қонақтар көп келді.\nОл таңға дейін созылды."
    head = "Басты бет | Жаңалықтар | Байланыс\nКіру\n\n"
    foot = "\nФото: Бауыржан Жуасбаев\nТегтер: той, ауыл\nПікірлер\nСаясат • Қоғам • Спорт • Мәдениет"
    assert strip_boilerplate(head + prose + foot) == Stripped(prose, 6, strip_slowly(head + prose + foot).words_frac)
    titled = "Ауылда той болды\nБасты бет | Жаңалықтар | Байланыс\n" + prose
    assert strip_boilerplate(titled).text == "Ауылда той болды\n" + prose


def test_a_trail_from_the_home_page_goes_wherever_it_stands() -> None:
    first, last = "Кеше ауылда той болды, қонақтар көп келді.", "Ол таңға дейін созылды."
    assert (
        strip_boilerplate(f"{first}\nНегізгі бет » Комитет » Іс-шаралар 27 наурыз 2015\n{last}").text
        == f"{first}\n{last}"
    )
    prose = "Негізгі бет » Комитет туралыКомитет діни қызметті реттейтін ведомство болып табылады."
    assert strip_boilerplate(f"{first}\n{prose}\n{last}").lines == 0
    assert strip_boilerplate(f"{first}\nБаптаулар → Жүйе → Жаңарту\n{last}").lines == 0


def test_beside_certain_furniture_it_goes() -> None:
    first, last = "Кеше ауылда той болды, қонақтар көп келді.", "Ол таңға дейін созылды."
    assert (
        strip_boilerplate(f"{first}\nКіру\nTelegram арнамызға жазылыңыз!\nТіркелу\n{last}").text == f"{first}\n{last}"
    )
    assert strip_boilerplate(f"{first}\nКіру\n{last}").lines == 0


def test_long_lines_are_prose() -> None:
    line = "Сайт cookie файлдарын пайдаланады " + "деген сөйлем " * 20
    assert not is_boilerplate(line)
    assert is_boilerplate("Сайт cookie файлдарын пайдаланады " + "деген сөйлем " * 15)


@pytest.mark.parametrize("name", ["documents_kk_a", "documents_kk_b", "documents_ru", "documents_en"])
def test_embedded_prose_is_kept_whole(name: str) -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path(f"{name}.jsonl"))]
    assert [item.lines for item in strip_boilerplates(scan_texts(texts))] == [0] * len(texts)


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize(
    "name", ["apertium_kaz_rus/gov_corpus_kk.jsonl.gz", "apertium_kaz_rus/gov_corpus_ru.jsonl.gz", "ud_en_ewt/ud_en_ewt.jsonl.gz"]
)  # fmt: skip
def test_the_kernel_on_real_text(name: str) -> None:
    lines = [row["text"] for row in read_jsonl(Path(os.environ["QAZ_CORPUS_DIR"]) / name)]
    texts = ["\n".join(lines[start : start + 8]) for start in range(0, len(lines), 8)]
    assert strip_boilerplates(scan_texts(texts)) == [strip_slowly(text) for text in texts]


@pytest.mark.parametrize(
    "line",
    [
        "Барлық құқықтар қорғалған деген жазу кітаптың соңғы бетінде тұрады.",
        "На обложке стояло «Все права защищены», и больше ничего.",
        'The words "All rights reserved" stood on the cover.',
        "© белгісі авторлық құқықты білдіреді.",
        "© – знак охраны авторского права.",
    ],
)
def test_a_line_about_a_phrase_is_not_the_phrase(line: str) -> None:
    assert kind_of_line(line) == 0


@pytest.mark.parametrize("line", ["© 2021 «Барлық құқықтар қорғалған»", "© Автор, 2020", "Все права защищены."])
def test_the_phrase_itself_stays_furniture(line: str) -> None:
    assert kind_of_line(line) == 2


COOKIES = "\n".join(
    [
        "Бүгінгі сабақта браузердің қалай жұмыс істейтінін, cookie деген не екенін түсінеміз.",
        "Көптеген сайттар cookie файлдарын пайдаланады, сондықтан келген адамды таниды.",
        "Ал cookie жоғалса, сайт бізді ұмытып, қайтадан атымызды сұрайды.",
    ]
)


def test_sentences_about_cookies_stay_in_a_text_about_cookies() -> None:
    assert strip_boilerplate(COOKIES).text == COOKIES


def test_a_notice_about_cookies_goes() -> None:
    notice = "Біздің сайт cookie файлдарын пайдаланады, оған келісіміңізді беріңіз."
    assert strip_boilerplate(f"{COOKIES}\n{notice}").text == COOKIES
    story = "Ауылға қыс ерте келді.\nБалалар мұз айдынына жүгірді."
    before, after = story.split("\n")
    assert strip_boilerplate(f"{before}\n{notice}\n{after}").text == story


def test_a_title_that_begins_its_text_stays() -> None:
    text = "Жарнама\nЖарнаманың тарихы ежелгі базарлардан басталады екен.\nОны жаршылар айқайлап айтқан."
    assert strip_boilerplate(text).text == text
    menu = "Жарнама\nАуылдың тарихы ежелгі замандардан басталады екен.\nОны қариялар айтқан."
    assert strip_boilerplate(menu).text == menu.split("\n", 1)[1]


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        (
            "Телефон: 8 695 123 45 67 нөміріне хабарласыңыз. Бұл мәтін ауылдағы мектеп туралы жазылған шағын әңгіме.",
            True,
        ),
        ("Адрес: ул. Абая, 10, тел. 70-65-90. Школа начала новый учебный год вместе с учениками.", True),
        ("Телефон: 8 695 123 45 67 нөміріне хабарласыңыз.", False),
        ("Адрес: г. Алматы, ул. Абая 10. Тел. 8 701 123 45 67, почта a@b.kz.", False),
        ("Телефон: 8 695 123 45 67. Барлық құқықтар заңмен қорғалған және материалды көшіруге болмайды.", False),
    ],
)
def test_a_contact_with_prose_behind_it_stays(line: str, stays: bool) -> None:
    assert is_boilerplate(line) is not stays


def test_a_document_of_nothing_but_furniture_is_dropped_whatever_the_filters() -> None:
    config = DataConfig.model_validate({"sources": [{"name": "a", "path": "a.jsonl"}], "filters": {"preset": "none"}})
    cleaner = make_cleaner(config, make_decontaminator([], config.decontaminate))
    text = "Телефон: 8 701 123 45 67 нөміріне хабарласыңыз."
    dropped, kept = cleaner(
        [
            Document("1", text, "a", "kk", "Zyyy", "CC0-1.0"),
            Document("2", f"{text}\nМектеп ашылды.", "a", "kk", "Zyyy", "CC0-1.0"),
        ]
    )
    assert (dropped.reason, dropped.verdict.value) == ("boilerplate", 1.0)
    assert (kept.reason, kept.document.text) == (None, "Мектеп ашылды.")
