"""The phrases by which a line shows itself as page furniture, in Kazakh, Russian and English, and words that give them away.

Some say what they are wherever they stand (a notice about cookies, a call to subscribe). Others are words of content, too:
`Кіру` is a button and a heading, `Сурет: …` a credit and an entry of a list. These count only at an edge of the text or beside
furniture that is certain (`edge`); the same holds for menus, which are told by the entries that sites have.

A phrase is a pattern over the lower-case line and the words one of which every match holds: a whole word of up to four
letters, or the beginning of a longer one. With `first` the match begins the line and so does the word. The words let a
kernel pass over nearly every line of prose; what decides is the pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SHORT_WORD = 4
"""Words of so many letters have to be there whole; of longer ones the beginning is enough."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A line holds it where `pattern` matches and one of `words` is there, as its first word where `first` is set."""

    words: tuple[str, ...]
    word: re.Pattern[str]
    pattern: re.Pattern[str]
    first: bool
    edge: bool

    def found_in(self, lowered: str) -> bool:
        """Whether a line says the phrase, and does not speak about it: `«все права защищены» на обложке`, `… деген жазу`."""
        if self.word.search(lowered) is None:
            return False
        match = self.pattern.match(lowered) if self.first else self.pattern.search(lowered)
        return match is not None and not is_mentioned(lowered, match.start(), match.end())


_SPOKEN_ABOUT = re.compile(r"\w*[.!]?(?:[»”\"]|[»”\"]?,?\s(?:деген|деп|делін)\w*\b)")
_SIGN_SPOKEN_ABOUT = re.compile(r"©[»”\"]?,?\s(?:белгі|таңба|знак|символ|sign\b|symbol|дегені|—|–)|©[»”\"]")


def is_mentioned(lowered: str, start: int, end: int) -> bool:
    """Whether the words at start … end stand in quotation marks, or `деген`, `деп` (called, so) follow them.

    >>> is_mentioned("барлық құқықтар қорғалған деген жазу", 0, 25), is_mentioned("барлық құқықтар қорғалған.", 0, 25)
    (True, False)
    """
    quoted = start > 0 and lowered[start - 1] in '«“„"' and re.search('[»”“"]', lowered[end:]) is not None
    return quoted or _SPOKEN_ABOUT.match(lowered, end) is not None


def speaks_of_sign(lowered: str) -> bool:
    """Whether a line that begins with © is about that sign: `© белгісі …`."""
    return _SIGN_SPOKEN_ABOUT.match(lowered) is not None


def _phrase(words: str, patterns: tuple[str, ...], *, first: bool, edge: bool) -> Phrase:
    listed = tuple(words.split())
    whole = "|".join(rf"{word}(?![^\W_])" if len(word) <= SHORT_WORD else word for word in listed)
    word = re.compile(rf"\A[\W_]*(?:{whole})" if first else rf"(?<![^\W_])(?:{whole})")
    return Phrase(listed, word, re.compile("|".join(patterns)), first, edge)


def _anywhere(words: str, *patterns: str, edge: bool = False) -> Phrase:
    return _phrase(words, patterns, first=False, edge=edge)


def _opening(words: str, *patterns: str, edge: bool = False) -> Phrase:
    return _phrase(words, patterns, first=True, edge=edge)


_SHORT = r"\b[^.!?]{0,40}$"
_COUNT = r"\s*(?:саны\s*)?[:–—-]?\s*\(?\d[\d\s.,]*\)?\s*$"
_ADDRESS = r"[\s\w./-]{0,30}:[^!?]{0,160}(?:@|(?:\+7|\b8)[\s(-]{1,3}\d|\b\d{2,3}-\d{2}-\d{2}\b)"
"""A mail address, a telephone number with its prefix or in the groups of a local one; a postcode or two years are none."""
_WEB = r"(?:https?://|www\.|[\w-]+\.(?:kz|ru|com|org|net|info)\b|ашық|интернет|ғаламтор|желі|открыт|©)"
_SITES = (
    r"(?:facebook|фейсбук|twitter|твиттер|вконтакте|vk|whatsapp|ватсап|telegram|телеграм|instagram|инстаграм"
    r"|youtube|ютуб|одноклассники|ok|tiktok|viber|threads|linkedin|pinterest|rss|messenger|skype|мой мир)\b"
)
_SITE_WORDS = (
    "facebook фейсбук twitter твиттер вконтакте vk whatsapp ватсап telegram телеграм instagram инстаграм youtube ютуб"
    " одноклассники tiktok viber threads linkedin pinterest rss messenger skype ok мой"
)

PHRASES: tuple[Phrase, ...] = (
    # ------------------------------------------------------------------------------------------------------- Kazakh
    _opening("басты негізгі бас главная home", r"(?:басты бет|негізгі бет|бас бет|главная|home)\s*[»›][^.!?]{1,120}$"),
    _anywhere("құқықтар", r"барлық (?:авторлық )?құқықтар(?:ы)? (?:заңмен )?қорғал"),
    _anywhere(
        "жазылыңыз",
        r"(?:бізге|арна(?:мыз)?ға|парақшамызға|жаңалықтарға|таспаға|telegram|instagram|facebook|youtube|whatsapp)\S* (?:\S+ ){0,3}жазылыңыз",
        r"жазылыңыз(?:дар)?\b.*(?:арна|telegram|instagram|facebook|youtube|біліп отыр)",
    ),
    _anywhere(
        "қосылыңыз тіркеліңіз",
        r"(?:telegram|телеграм|instagram|facebook|youtube|whatsapp|парақшамыз)\S* (?:\S+ ){0,3}(?:қосыл|тіркел)ыңыз",
        r"(?:telegram|телеграм|instagram|facebook|youtube|whatsapp|парақшамыз)\S* (?:\S+ ){0,3}тіркеліңіз",
    ),
    _anywhere("оқыңыз оқыңыздар оқи", r"^(?:сондай-ақ|тағы да|тағы|осыны да)\S* (?:мыналарды |осыны |мынаны )?(?:оқыңыз|оқи отыр)"),
    _anywhere("тақырыпта тақырып", r"^(?:осы тақырыпта(?:ғы \S+)?|тақырып бойынша)\b[^.!?]{0,60}$", edge=True),
    _opening("оқи", r"оқи отырыңыз\b[^.!?]{0,80}$", r"оқи отырыңыз\s*:"),
    _opening("ұқсас соңғы танымал",
        r"(?:ұқсас (?:жаңалық|мақала|материал)\S*|соңғы жаңалықтар|танымал жаңалықтар)\b[^.!?]{0,80}$", edge=True),
    _anywhere("оқылған", r"^(?:ең )?көп оқылған[^.!?]{0,40}$", edge=True),
    _opening("толығырақ артқа келесі алдыңғы жоғарыға басып пікірлер",
        r"(?:артқа|жоғарыға|толығырақ|басып шығару|пікірлер|келесі|алдыңғы)(?: (?:мақала|жаңалық|бет|оқу)\S*)?[^\w!?]*$", edge=True),
    _opening(
        "бөлісу бөлісіңіз достарыңызбен достармен пікір толық жалғасын",
        r"(?:бөлісу|бөлісіңіз|достарыңызбен бөлісіңіз|достармен бөлісу|пікір (?:қалдыр|жаз|білдір|қос)\S*|толық оқу|жалғасын оқ\S+)"
        + _SHORT,
    ),
    _opening("пікіріңізді", r"пікіріңізді (?:осында |төменде )?(?:қалдыр|жаз)"),
    _anywhere("сілтеме гиперсілтеме",
        r"(?:материал|мақала|ақпарат)\S* (?:\S+ ){0,4}(?:көшіріп|көшір|пайдалан|қолдан|бас)\S* (?:\S+ ){0,8}(?:гипер)?сілтеме"),
    _opening("логин құпия құпиясөз кіру тіркелу іздеу сайт басты байланыс",
        r"(?:логин|құпия\s?сөз|кіру|тіркелу|іздеу|сайт картасы|басты бет|байланыс)\s*(?:[|/·•>»:]+\s*(?:\S+\s?){0,4})?$", edge=True),
    _anywhere("қатені қате ctrl javascript", r"қате(?:ні)? (?:байқасаңыз|тапсаңыз|таптыңыз ба)\b.*(?:белгіле|басыңыз|хабарла|жазыңыз)", r"ctrl\s?\+\s?enter",
        r"javascript\S* (?:\S+ ){0,4}(?:қос|өшір|қажет|включ|отключ|enable|disable|required)", r"(?:включ|enable|need)\S* (?:\S+ ){0,2}javascript"),
    _opening("қаралды қаралым қаралымдар қаралған көрілім оқылды оқылым пікір дауыс жүктелді",
        r"(?:қаралды|қаралым(?:дар)?|қаралған|көрілім|оқылды|оқылым|пікір(?:лер)?|дауыс(?:тар)?|жүктелді)" + _COUNT, edge=True),
    _anywhere("қаралым көрілім оқылым қаралды оқылды", r"^\d[\d\s.,]*(?:қаралым|көрілім|оқылым|рет (?:қаралды|оқылды))$", edge=True),
    _opening("сурет фото фотосурет коллаж видео скриншот",
        r"(?:сурет(?:тер)?|фото(?:лар|сурет(?:тер)?)?|коллаж|видео|скриншот)\s?[:©]\s?[^!?]{1,60}$", edge=True),
    _opening("сурет фото видео фотосурет",
        r"(?:фото|сурет|видео)\S* (?:ашық|көрнекі|әлеуметтік) (?:дереккөз|желі|интернет)\S*[^!?]{0,30}$",
        r"(?:сурет|фото)\S*\s?[:©]\s?" + _WEB),
    _opening("дереккөз", r"дереккөз(?:і)?\s?:\s?" + _WEB + r"[^!?]{0,60}$", edge=True),
    _opening("тегтер тэгтер тегі жарияланды жарияланған",
        r"(?:тегтер|тэгтер)\s?:", r"жариялан(?:ды|ған)(?: күні| уақыты)?\s?:\s?\d", edge=True),
    _opening("құпиялылық құпиялық пайдаланушы пайдалану сайтты жарнама жарнамалық",
        r"(?:құпиялы?лық саясаты|пайдаланушы келісімі|пайдалану (?:шарттары|ережелері)|сайтты пайдалану ережелері)" + _SHORT,
        r"жарнама(?: (?:беру|орналастыру|үшін))?\s*(?::.{0,60})?$", edge=True),
    _opening("редакция редакцияның мекенжай байланыс электронды",
        r"(?:редакция(?:ның)?|мекенжай(?:ымыз|ы)?|байланыс телефон\S*|электронды (?:пошта|мекенжай)\S*)" + _ADDRESS, edge=True),
    # ------------------------------------------------------------------------------------------------------ Russian
    _anywhere("права", r"все права (?:на \S+ )?защищены"),
    _anywhere("подпишитесь подписывайтесь присоединяйтесь",
        r"подпи(?:шитесь|сывайтесь) на (?:наш|канал|рассылк|telegram|телеграм|новости|нас)",
        r"присоединяйтесь к (?:нам|наш)\S* (?:\S+ ){0,3}(?:telegram|телеграм|facebook|instagram|whatsapp|канал|групп)"),
    _opening(
        "читайте читать поделиться поделитесь оставить оставьте версия распечатать",
        r"(?:читайте также|читать (?:далее|полностью|также|ещё|еще)|поделиться (?:в|с)|поделитесь (?:с друзьями|новостью|статьёй|статьей)"
        r"|остав(?:ить|ьте) (?:комментарий|отзыв)|версия для печати|распечатать (?:статью|страницу|новость))\b[^.!?]{0,60}$",
        r"читайте также\s*:",
    ),
    _opening(
        "поделиться комментарии похожие главная контакты войти регистрация наверх назад распечатать следующая предыдущая",
        r"(?:поделиться|комментарии|похожие (?:новости|статьи|материалы)|главная|контакты|войти|регистрация|распечатать"
        r"|(?:следующая|предыдущая) (?:статья|новость|страница))\b[^.!?]{0,60}$",
        r"(?:наверх|назад)\s*\W*$",
        edge=True,
    ),
    _anywhere("ссылка гиперссылка", r"при (?:\S+ ){0,3}(?:перепечатк|использовани|копировани|цитировани)\S* (?:\S+ ){0,8}(?:гипер)?ссылка"),
    _anywhere("нашли выделите", r"нашли ошибку", r"выделите (?:её|ее|текст|фрагмент)\b.* нажмите"),
    _opening("просмотров просмотры просмотрено комментариев прочитано голосов",
        r"(?:просмотров|просмотры|просмотрено|комментариев|прочитано|голосов)" + _COUNT, edge=True),
    _anywhere("просмотр просмотра просмотров комментарий комментария комментариев",
        r"^\d[\d\s.,]*(?:просмотр(?:а|ов)?|комментари(?:й|я|ев))$", edge=True),
    _opening("фотография иллюстрация", r"(?:фотография|иллюстрация)\s?[:©]\s?[^!?]{1,60}$", edge=True),
    _opening("источник", r"источник\s?:\s?" + _WEB + r"[^!?]{0,60}$", edge=True),
    _opening("теги опубликовано обновлено дата",
        r"теги\s?:", r"(?:опубликовано|обновлено|дата публикации)\s?:?\s?\d", edge=True),
    _opening("политика пользовательское реклама рекламодателям правила",
        r"(?:политика конфиденциальности|пользовательское соглашение|правила (?:пользования|использования) сайт\S*)" + _SHORT,
        r"(?:реклама(?: на сайте)?|рекламодателям)\s*(?::.{0,60})?$", edge=True),
    _anywhere("свидетельство", r"свидетельство о (?:регистрации|постановке на уч[её]т) (?:сми|средства массовой)"),
    _opening("адрес редакция тел телефон факс эл e email mail почта электронная",
        r"(?:адрес|редакция|тел|телефоны?|факс|эл|электронная почта|почта|e-?mail|mail)\b" + _ADDRESS, edge=True),
    # ------------------------------------------------------------------------------------------------------ English
    _anywhere("cookie cookies куки",
        r"cookie[- ]?(?:файл|лер)", r"(?:файлы|файлов|использу\S+) cookie",
        r"(?:we|this (?:web)?site) uses? cookies|accept (?:all )?cookies",
        r"(?:файлы|использу\S+|файлдар\S*) куки\b", r"\bcookie\S* (?:\S+ ){0,4}(?:пайдалан|қолдан|использу|соглас|келіс)"),
    _anywhere("rights", r"all rights reserved"),
    _anywhere("subscribe", r"subscribe to (?:our|the) (?:newsletter|channel|mailing)"),
    _opening("share leave skip", r"(?:share this|leave a (?:comment|reply)|skip to (?:main )?content)" + _SHORT),
    _opening("read related sign log home contact privacy terms back previous next advertisement",
        r"(?:read more|related (?:posts|news|articles)|sign in|log in|sign up|contact us"
        r"|privacy policy|terms of (?:use|service)|back to top|(?:previous|next) (?:post|article|page))" + _SHORT,
        r"(?:advertisement|read next|home)\s*:?$", edge=True),
    _opening("copyright", r"copyright (?:©|\(c\)|by\b|\d{4})"),
    _opening("views photo image tags posted published",
        r"views" + _COUNT, r"(?:photo|image)\s?[:©]\s?[^!?]{1,60}$", r"tags\s?:", r"(?:posted|published) on\s?:?\s?\w", edge=True),
    _opening("source", r"source\s?:\s?" + _WEB + r"[^!?]{0,60}$", edge=True),
    _opening("c", r"\W*\(c\) (?:copyright|\d{4})"),
    _opening(_SITE_WORDS, rf"(?:{_SITES}[\s,|·•/&]*){{2,}}$"),
)  # fmt: skip

MENU_ENTRIES = frozenset(
    entry.strip()
    for entry in """
    басты бет, негізгі бет, басты, бас бет, басты мәзір, мәзір, жаңалықтар, жаңалық, соңғы жаңалықтар, байланыс, бізбен байланыс, біз туралы, жоба туралы,
    сайт туралы, мақалалар, мақала, сұхбат, сұхбаттар, мұрағат, архив, фото, видео, фотогалерея, галерея, аудио, подкаст, блог, блогтар, форум,
    саясат, қоғам, экономика, мәдениет, спорт, әлем, қазақстан, өңірлер, аймақ, аймақтар, білім, ғылым, денсаулық, технология, шоу-бизнес, руханият,
    әдебиет, тарих, дін, құқық, қылмыс, оқиға, оқиғалар, жарнама, кіру, тіркелу, іздеу, шығу, кабинет, жеке кабинет, құжаттар, қызметтер, тендер,
    вакансиялар, сұрақ-жауап, сайт картасы, теле бағдарлама, ауа райы, редакция, рубрикалар, барлық жаңалықтар, әлеуметтік желілер,
    главная, на главную, новости, все новости, контакты, о нас, о проекте, о компании, о сайте, статьи, интервью, мнения, общество, политика, культура,
    мир, в мире, казахстан, регионы, экономика и бизнес, бизнес, финансы, наука, образование, здоровье, технологии, происшествия, авто, недвижимость,
    реклама, войти, вход, регистрация, поиск, выйти, личный кабинет, документы, услуги, вакансии, карта сайта, погода, рубрики, каталог, магазин,
    доставка, оплата, корзина, отзывы, помощь, меню, история, религия, афиша,
    home, main, news, about, about us, contact, contacts, contact us, blog, forum, faq, help, login, log in, sign in, sign up, register, search, menu,
    sitemap, privacy, privacy policy, terms, terms of use, shop, cart, services, products, careers, gallery, media, events, archive, world, politics,
    business, sport, sports, culture, technology, tech, health, science, education, travel, opinion, videos, photos, english, русский, қазақша,
    рус, қаз, eng, kz, ru, en, rss, facebook, instagram, telegram, youtube, twitter, vk, tiktok, whatsapp
    """.replace("\n", " ").split(",")
)
"""Entries of the menus of sites, in lower case."""
