"""The Kazakh alphabet and its neighbours: letters, letters that look alike, and the small words that make prose.

Everything here is data. Cyrillic Kazakh has 42 letters, 33 of them shared with Russian.
"""

from __future__ import annotations

from collections.abc import Mapping

FRONT_VOWELS = "әеөүі"
BACK_VOWELS = "аоұы"

FORBIDDEN_LETTERS = "ўҳҷҙҡҫӯӣҗєїґјљњћђџѓќӧӱӓӹѕӝӟӥӵҥҕӈҧҩҭҽӡ"
"""Cyrillic letters that no Kazakh word has: of Karakalpak, Uzbek, Tajik, Bashkir, Tatar, Khakas, Altai, Ukrainian,
South Slavic, Udmurt, Yakut, Nenets and Abkhaz. One in a sentence of otherwise Kazakh letters says that it is a neighbour's."""

LATIN_TO_CYRILLIC: Mapping[str, str] = dict(
    zip(
        "aceopxyihABCEHIKMOPTXYəƏǝƎɵƟëË",
        "асеорхуіһАВСЕНІКМОРТХУәӘәӘөӨёЁ",
        strict=True,
    )
)
"""Latin letters that look like a Cyrillic one in most fonts. Capital H looks like Н, small h like һ. Capital Y looks
like Ү even more than like У: see `lookalikes.py`."""

CYRILLIC_TO_LATIN: Mapping[str, str] = {
    cyrillic: latin for latin, cyrillic in LATIN_TO_CYRILLIC.items() if latin not in "əƏǝƎɵƟ"
}

GREEK_TO_CYRILLIC: Mapping[str, str] = dict(zip("ΑΒΕΗΙΚΜΟΡΤΥΧοϲ", "АВЕНІКМОРТУХос", strict=True))
"""Greek letters with the shape of a Cyrillic one."""

CYRILLIC_VARIANTS: Mapping[str, str] = {
    "ӊ": "ң",
    "Ӊ": "Ң",
    "ӄ": "қ",
    "Ӄ": "Қ",
    "ҝ": "қ",
    "Ҝ": "Қ",
    "ѳ": "ө",
    "Ѳ": "Ө",
    "ӛ": "ә",
    "Ӛ": "Ә",
}
"""Letters of other Cyrillic alphabets that stand in for a Kazakh one in badly typed text."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    "kk": _words(
        "және мен бен пен үшін туралы бойынша арқылы дейін кейін соң бұрын сияқты ғана тек да де та те "
        "бірақ немесе егер өйткені сондықтан ал әрі бір бұл ол осы сол өз оның олар біз мың бар жоқ емес "
        "болып болған болды болады деп деген еді екен керек мүмкін қалай қандай көп әр барлық ең өте"
    ),
    "ru": _words(
        "и в во не на я он она они что с со как а то все его но да ты к у же вы за бы по из от о об для "
        "это был была было так или если при до быть мы их ее её который которые также можно когда"
    ),
    "en": _words(
        "the of and to in a is that it he was for on are as with his they i at be this have from or by "
        "not but what all were we when your can there an which their if will you she had him has"
    ),
}
"""Small words that running prose cannot do without, by language: chosen by grammar (conjunctions, postpositions,
pronouns, auxiliaries), not counted from a corpus, so that no kind of page is favoured. Word lists counted from
Wikipedia hold its place stubs instead (орналасқан, гз, коды) and reject good prose."""

_FLATTENING = str.maketrans("әғқңөұүһі", "агкноуухи")

FLATTENED_WORDS: Mapping[str, str] = {
    word.translate(_FLATTENING): word
    for word in _words(
        "және үшін сияқты бірақ өйткені сондықтан болған қандай қалай барлық арқылы ғана мүмкін өзінің "
        "оның барлығы қазақтың жылғы кейінгі бүгін жүргізу туындаған қазақша әрқашан өтініш"
    )
}
"""Frequent Kazakh words as they look with their own letters flattened to Russian ones (`жане`, `ушин`), to what was
meant. Only those that are no word of Russian, Kyrgyz, Tatar, Uzbek or Karakalpak: not `казак`, `бул`, `жок`, `кейин`."""

KAZAKH_ONLY_WORDS = _words(
    "және үшін туралы бойынша арқылы сияқты немесе өйткені сондықтан осы жылы жыл жылдың жылдары жылдан жылға жылғы "
    "барлық барлығы болып болды болады болғандықтан олардың соның мың жатыр жатады тұрады тұрып жұмыс жұмысы жалпы тағы "
    "алғашқы соңғы жоғары жуық үй үйде шығыс шықты шығып шығады ұлттық маңызды жағдай жағдайда қоғамдық жақын жағынан "
    "отырған мұндай ғой дұрыс нақты тұрақты ғылыми шағын құрылыс құру құрамында ешқандай қазақтың қазақстанның халықтың "
    "халқының кейбір тұратын айтуынша табылған салынған сақтау жүйесі жасау көрсету сөйтіп арасындағы адамдардың"
)
"""Frequent words of Kazakh prose that its neighbours spell otherwise in Latin letters too: they tell Kazakh in Latin or
Arabic script from Karakalpak (болып is bolyp, theirs bolıp), Crimean Tatar, Tatar, Turkmen, Uzbek and Turkish, which
share many others (керек, емес, адам, деп)."""
