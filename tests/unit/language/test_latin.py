"""Cyrillic written in each Latin alphabet by tables typed here anew, and back."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from script_writers import TABLES, embedded_kazakh, share_of_words, write_latin

from qaz_llm.language.latin import convert_latin, latin_to_cyrillic
from qaz_llm.language.latin_alphabets import alphabet_named
from qaz_llm.language.loans import LOANS
from qaz_llm.language.scripts import to_cyrillic
from qaz_llm.language.stems import spellings

MIN_RIGHT_FRAC = {
    "latin-2021": 0.98,
    "latin-2019": 0.98,
    "latin-2018": 0.98,
    "latin-2017": 0.98,
    "latin-wikipedia": 0.99,
    "latin-kazinform": 0.985,
    "latin-common": 0.98,
    "latin-yanalif": 0.97,
}


_LISTED = frozenset(form[:3] for stem in LOANS for merged in (True, False) for form in spellings(stem, merged=merged))
_SYLLABLES = {
    "front": st.from_regex("[бдгзжклмнпрсш][әөүеі][бзлмнңрсш]?", fullmatch=True),
    "back": st.from_regex("[бдғзжқлмнпрсш][аоұы][бзлмнңрсш]?", fullmatch=True),
}


@pytest.mark.parametrize("name", TABLES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_words_of_one_harmony_come_back(name: str, data: st.DataObject) -> None:
    """Words of syllables of front or of back vowels, as the native ones are, that begin like no listed loan."""
    syllable = _SYLLABLES[data.draw(st.sampled_from(sorted(_SYLLABLES)))]
    word = "".join(data.draw(st.lists(syllable, min_size=1, max_size=4)))
    assume(word[:3] not in _LISTED and not re.search("шш|сш|сб|[аоы][бдгзклмнпрс][әү]", word))
    assert latin_to_cyrillic(write_latin(word, name), alphabet_named(name)) == word
    assert latin_to_cyrillic(write_latin(word.capitalize(), name), alphabet_named(name)) == word.capitalize()


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "word",
    [
        "қоян",
        "аю",
        "яғни",
        "сияқты",
        "тиянақты",
        "оқиға",
        "мейірім",
        "киім",
        "биік",
        "жиі",
        "Ақтау",
        "тыйым",
        "қию",
        "шаһар",
    ],
)
def test_words_with_lossy_letters_that_a_rule_brings_back(name: str, word: str) -> None:
    assert latin_to_cyrillic(write_latin(word, name), alphabet_named(name)) == word


@pytest.mark.parametrize("name", [name for name in TABLES if name != "latin-yanalif"])
@pytest.mark.parametrize(
    "word", ["химия", "конституция", "франция", "Каспий", "материал", "экономика", "Энергия", "социалистік", "поэма"]
)
def test_loans(name: str, word: str) -> None:
    assert latin_to_cyrillic(write_latin(word, name), alphabet_named(name)) == word


@pytest.mark.parametrize(
    ("name", "latin", "cyrillic"),
    [
        # the rules of 2021 for soft consonants, as converters write them
        (
            "latin-2021",
            "oträd absolüt revolüsia vertikäl zaräd Sevastopöl",
            "отряд абсолют революция вертикаль заряд Севастополь",
        ),
        (
            "latin-2021",
            "komuna koefisient metal metaldar Kälsi Magni",
            "коммуна коэффициент металл металдар Кальций Магний",
        ),
        ("latin-2021", "sülgı dälız küläp künä äure kärı", "сүлгі дәліз күләп күнә әуре кәрі"),
        # ts for ц, but т and с in айтса, кетсін
        ("latin-2018", "konstıtýtsıa protsess tsıfrlyq tsentr", "конституция процесс цифрлық центр"),
        ("latin-2018", "aıtsa ketsin ótse jatsyn", "айтса кетсін өтсе жатсын"),
        ("latin-2018", "ashana Shyńǵyshan qashan ushan", "асхана Шыңғысхан қашан ұшан"),
        # MediaWiki: ye after a vowel; KazInform: й is y
        (
            "latin-wikipedia",
            "dünïye mädenïyet ïyesi qoyu yubïley aýwan Nazarbayev proyekt",
            "дүние мәдениет иесі қою юбилей айуан Назарбаев проект",
        ),
        ("latin-kazinform", "jüye keyin dünïe qoyw oyan Nazarbayev aywan", "жүйе кейін дүние қою оян Назарбаев айуан"),
        ("latin-common", "jəne qazaq tiliniñ jüye ūlttıq", "және қазақ тілінің жүйе ұлттық"),
        # names in -ауи and -ский, -оид
        ("latin-2021", "İasaui Mağauin Şanski negroidtar oida qoidy", "Ясауи Мағауин Шанский негроидтар ойда қойды"),
    ],
)
def test_words_as_they_are_written(name: str, latin: str, cyrillic: str) -> None:
    assert latin_to_cyrillic(latin, alphabet_named(name)) == cyrillic


@pytest.mark.parametrize(
    ("latin", "cyrillic"),
    [
        ("XX ğasyr, XVIII–XIX ğasyrlar, II tom, IV tarau", "XX ғасыр, XVIII–XIX ғасырлар, II том, IV тарау"),
        ("I Petr, V ğasyr, Ⅳ bölım", "I Петр, V ғасыр, Ⅳ бөлім"),
        ("I. Esenberlin, V. Radlov", "І. Есенберлин, В. Радлов"),
        ("I. Kırıspe\nII. Negızgı bölım", "I. Кіріспе\nII. Негізгі бөлім"),
        ("XIX-ğasyrda, XXI-şı", "XIX-ғасырда, XXI-ші"),
        ("AQŞ, QR, BŪŪ, TMD, KSRO, JŞS, QazŪU", "АҚШ, ҚР, БҰҰ, ТМД, КСРО, ЖШС, ҚазҰУ"),
        ("TRIPP, BBC, HTML, FIFA kubogy", "TRIPP, BBC, HTML, FIFA кубогы"),
        ("Windows jäne Google, YouTube, iPhone", "Windows және Google, YouTube, iPhone"),
        (
            "«The New York Times» gazetı, «Ana tılı» jurnaly, New York",
            "«The New York Times» газеті, «Ана тілі» журналы, New York",
        ),
        ("QAZAQSTAN RESPUBLİKASY KONSTİTUSİASY", "ҚАЗАҚСТАН РЕСПУБЛИКАСЫ КОНСТИТУЦИЯСЫ"),
        ("5 kg ün, 10 km, 2 kJ, 220 V, 1991 j.", "5 кг үн, 10 км, 2 кДж, 220 В, 1991 ж."),
        ("t.b., j.j., N.İ. Vavilov, ğ.k.", "т.б., ж.ж., Н.И. Вавилов, ғ.к."),
    ],
)
def test_what_is_no_word_of_kazakh_stays(latin: str, cyrillic: str) -> None:
    assert latin_to_cyrillic(latin, alphabet_named("latin-2021")) == cyrillic


def test_what_was_left_is_counted_by_kind() -> None:
    text = "XX ğasyrda Windows jäne BBC, #qazaq https://egov.kz/kk H2O, x sany"
    converted, left = convert_latin(text, alphabet_named("latin-2021"))
    assert converted == "XX ғасырда Windows және BBC, #qazaq https://egov.kz/kk H2O, x саны"
    assert left == {"numeral": 1, "name": 1, "abbreviation": 1, "tag": 1, "address": 1, "code": 1, "symbol": 1}


@pytest.mark.parametrize(
    ("name", "latin", "cyrillic"),
    [
        ("latin-2021", "Italia, Iran, Ivan\nQAZAQSTAN RESPUBLIKASY", "Италия, Иран, Иван\nҚАЗАҚСТАН РЕСПУБЛИКАСЫ"),
        ("latin-2021", "Is, Ilgerı, IŞKI\nIRI QARA", "Іс, Ілгері, ІШКІ\nІРІ ҚАРА"),
        ("latin-2021", "ağaș, șarșap, taǧy", "ағаш, шаршап, тағы"),
        ("latin-2021", "MySQL men SQL tılı", "MySQL мен SQL тілі"),
        ("latin-2017", "jan\u02bca a\u02bclipbi\u02bc", "жаңа әліпби"),
        ("latin-common", "jäne jəne", "және және"),
        ("latin-yanalif", "Myratov, əvez, suv", "Мүратов, әуез, су"),
    ],
)
def test_letters_as_people_type_them(name: str, latin: str, cyrillic: str) -> None:
    assert latin_to_cyrillic(latin, alphabet_named(name)) == cyrillic


def test_words_of_other_letters_stay() -> None:
    assert latin_to_cyrillic("Windows, exe, jäne", alphabet_named("latin-2021")) == "Windows, exe, және"
    assert latin_to_cyrillic("“ja’ne” dedi, 'sol'", alphabet_named("latin-2017")) == "“және” деді, 'сол'"


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize("name", TABLES)
def test_share_of_words_of_real_text_that_come_back(name: str) -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "kazqad" / "kazqad_rc_validation.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["context"] for line in lines][::5]
    right = total = recognised = 0
    for text in texts:
        conversion = to_cyrillic(write_latin(text, name))
        recognised += conversion is not None and conversion.alphabet == name
        back = latin_to_cyrillic(write_latin(text, name), alphabet_named(name))
        pairs = [
            pair for pair in zip(text.split(), back.split(), strict=True) if re.search("[а-яәғқңөұүһі]", pair[0], re.I)
        ]
        total += len(pairs)
        right += sum(one.lower() == other.lower() for one, other in pairs)
    assert right / total >= MIN_RIGHT_FRAC[name]
    assert recognised / len(texts) >= 0.85


@pytest.mark.parametrize(("name", "least"), [(name, 0.997) for name in TABLES])
def test_share_of_words_of_the_embedded_documents_that_come_back(name: str, least: float) -> None:
    texts = embedded_kazakh()
    alphabet = alphabet_named(name)
    assert share_of_words(texts, [latin_to_cyrillic(write_latin(text, name), alphabet) for text in texts]) >= least


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
def test_school_questions_that_exist_in_both_scripts() -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "tumlu" / "tumlu_kk_test.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    cyrillic = [text for row in rows for text in (row["question"], *row["choices"])]
    latin = [text for row in rows for text in (row["question_latn"], *row["choices_latn"])]
    alphabet = alphabet_named("latin-2021")
    assert share_of_words(cyrillic, [latin_to_cyrillic(text, alphabet) for text in latin]) >= 0.99
