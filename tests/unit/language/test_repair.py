import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.repair import count_flattened, detokenise, repair, repair_texts

SENTENCE = "Қазақ тілі – біздің мәдениетіміздің іргетасы. Һәм ғасырлар бойы өзгерді, «ұлы» үй салынды."

KAZAKH = "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя"
TRICKY = st.one_of(
    st.text(max_size=60),
    st.text(alphabet=KAZAKH + "aceopxyiTHM" + " \n\t\u00a0\u200b\u00ad&<>;/`ampltgnbsp", max_size=80),
    st.lists(
        st.sampled_from(
            ["&amp;", "&lt;p&gt;", "```", "\n", "<br>", "\u200d", "Р°", "ÐºÐ°", "и\u0306", "\r\n", "\ud800", "бiр"]
        ),
        max_size=12,
    ).map("".join),
    st.text(alphabet=KAZAKH, min_size=3, max_size=30).map(lambda t: t.encode().decode("latin-1")),
)


@given(TRICKY)
@settings(max_examples=400, deadline=None)
def test_repair_is_idempotent(text: str) -> None:
    once = repair(text).text
    assert repair(once).text == once


@given(TRICKY)
@settings(max_examples=200, deadline=None)
def test_what_comes_out_is_composed_and_can_be_written(text: str) -> None:
    repaired = repair(text).text
    assert unicodedata.is_normalized("NFC", repaired)
    repaired.encode("utf-8")
    assert not re.search("[\x00-\x08\u200b\ufeff\ud800-\udfff]", repaired)


@pytest.mark.parametrize(
    "text", [SENTENCE, "Рим – Италия астанасы. Сүт, Тұз, Рұқсат.", "Señor Müller’s café — naïve", "ÑANDÚ"]
)
def test_healthy_text_is_left_alone(text: str) -> None:
    assert repair(text).text == text
    assert not repair(text).counts


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("бiлiм", "білім"),
        ("мeктeп", "мектеп"),
        ("Aлматы қалаcы", "Алматы қаласы"),
        ("жемісі iрi болады", "жемісі ірі болады"),
        ("hәм", "һәм"),
        ("good fооd", "good food"),
        ("iPhoneды алдым", "iPhoneды алдым"),
        ("IТ саласы", "IТ саласы"),
        ("XXI ғасыр", "XXI ғасыр"),
        ("ХIХ ғасыр, ХVІІІ том", "XIX ғасыр, XVIII том"),
        ("СI, МI және ІТ", "СI, МI және ІТ"),
        ("ѳмір, жаӊа", "өмір, жаңа"),
        ("YКIМЕТ yшiн yлкен Yй", "ҮКІМЕТ үшін үлкен Үй"),
        ("YЧЕБНИК, сyрет, ҚҰРY", "УЧЕБНИК, сурет, ҚҰРУ"),
        ("Қазақ Τілі, αβγ", "Қазақ Тілі, αβγ"),
        ("ëлка, Zoё", "ёлка, Zoë"),
        ("qazaq tьl, cьƣьs", "qazaq tьl, cьƣьs"),
    ],
)
def test_lookalikes(written: str, meant: str) -> None:
    assert repair(written).text == meant


def test_every_single_planted_lookalike_is_found() -> None:
    """Oracle: a Cyrillic sentence in which each letter that has a Latin twin is replaced, one at a time."""
    from qaz_llm.language.alphabet import LATIN_TO_CYRILLIC

    sentence = "Қарасу ауылында жаңа көпір салынып, тұрғындар енді мектепке бірден жетеді"
    twins = {cyrillic: latin for latin, cyrillic in LATIN_TO_CYRILLIC.items()}
    planted = [i for i, letter in enumerate(sentence) if letter in twins]
    assert len(planted) > 20
    for i in planted:
        assert repair(sentence[:i] + twins[sentence[i]] + sentence[i + 1 :]).text == sentence


def test_letters_are_composed() -> None:
    assert repair("и\u0306 е\u0308 Қазақ\u200bстан").text == "й ё Қазақстан"
    assert repair("и\u0306").counts == {"nfc": 1}


def test_markup_and_spaces_go_and_code_stays() -> None:
    text = "<p>Бір&nbsp;&amp;&nbsp;екі</p>\n```python\ndef f():\n    return '<b>'\n```\n  үш   төрт "
    assert repair(text).text == "Бір & екі\n```python\ndef f():\n    return '<b>'\n```\nүш төрт"


def test_placeholders_and_generics_are_no_tags() -> None:
    assert repair("тел. <PHONE>, Vec<String>, a < b > c").text == "тел. <PHONE>, Vec<String>, a < b > c"


def test_detokenise_against_the_sentence_it_came_from() -> None:
    spaced = re.sub(r"([.,!?:»])", r" \1", re.sub("([«(])", r"\1 ", SENTENCE))
    assert detokenise(spaced) == SENTENCE


def test_entities_escaped_more_than_once() -> None:
    assert repair("&amp;amp;quot;бір&amp;quot; &amp;#1179; &foo; &notit;").text == '"бір" қ &foo; &notit;'


def test_flattened_words_are_counted_and_never_changed() -> None:
    text = "Казак тили жане адебиети ушин, бирак Жане және"
    assert repair(text).text == text
    assert repair(text).counts == {}
    assert count_flattened(scan_texts([text, "Таза мәтін."])) == [4, 0]


def test_a_batch_gives_what_single_texts_give() -> None:
    texts = ["Таза мәтін.", "", "бiр  сөз", "Таза мәтін.", "&amp;lt;p&amp;gt;жол"]
    assert repair_texts(texts) == [repair(text) for text in texts]
    assert repair_texts([]) == []
    assert repair_texts(texts)[0].text is texts[0]


@pytest.mark.parametrize("letters", ["əƏ", "ǝƎ"])
def test_turned_e_is_the_kazakh_letter_in_cyrillic_words(letters: str) -> None:
    small, capital = letters
    text = "Әже немересіне ескі әңгіме айтып берді, Әлем тыныш еді."
    assert repair(text.replace("ә", small).replace("Ә", capital)).text == text


def test_turned_e_stays_among_latin_letters() -> None:
    text = "Канури тілінде kǝrǝye, nǝm деген сөздер, әзербайжан тілінде Əliyev деген есім бар."
    assert repair(text).text == text
