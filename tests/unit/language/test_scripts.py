import json
import os
import re
from pathlib import Path

import pytest

from qaz_llm.language.scripts import (
    LATIN_ALPHABETS,
    arabic_to_cyrillic,
    detect_script,
    latin_to_cyrillic,
    to_cyrillic,
)

# Article 1 of the Universal Declaration of Human Rights in Kazakh, and by hand in three Latin alphabets.
CYRILLIC = "Барлық адамдар тумысынан азат және қадір-қасиеті мен құқықтары тең болып дүниеге келеді."
LATIN = {
    "latin-2021": "Barlyq adamdar tumysynan azat jäne qadır-qasietı men qūqyqtary teñ bolyp düniege keledı.",
    "latin-2018": "Barlyq adamdar týmysynan azat jáne qadir-qasıeti men quqyqtary teń bolyp dúnıege keledi.",
    "latin-2017": "Barlyq adamdar ty'mysynan azat ja'ne qadir-qasi'eti men quqyqtary ten' bolyp du'ni'ege keledi.",
    "latin-wikipedia": "Barlıq adamdar twmısınan azat jäne qadir-qasïeti men quqıqtarı teñ bolıp dünïege keledi.",
    "latin-2019": "Barlyq adamdar twmysynan azat jäne qadir-qasıeti men quqyqtary teŋ bolyp dünıege keledi.",
}


@pytest.mark.parametrize("name", LATIN)
def test_each_latin_alphabet_is_told_apart_and_read(name: str) -> None:
    conversion = to_cyrillic(LATIN[name])
    assert conversion is not None
    assert conversion.text == CYRILLIC
    assert conversion.alphabet == name


def test_every_alphabet_is_covered_here() -> None:
    assert {alphabet.name for alphabet in LATIN_ALPHABETS} == set(LATIN)


@pytest.mark.parametrize(
    ("arabic", "cyrillic"),
    [
        ("بۇل بەت ٴۇشىن تىياناقتى نۇسقانى باپتاۋ", "Бұл бет үшін тиянақты нұсқаны баптау"),
        ("دٵيەكسٶز قاتەسٸ", "Дәйексөз қатесі"),
        ("قازاق حالقى، ٴبىر ەل؟", "Қазақ халқы, бір ел?"),
        ("جاۋاپكەرشىلىك", "Жауапкершілік"),
    ],
)
def test_arabic_script(arabic: str, cyrillic: str) -> None:
    assert arabic_to_cyrillic(arabic) == cyrillic


@pytest.mark.parametrize(
    "text",
    [
        CYRILLIC,
        "The president said that the new law would come into force next year, and everybody agreed with it.",
        "Bu akşam arkadaşlarımla birlikte sinemaya gideceğiz, sonra da güzel bir yemek yiyeceğiz.",
        "O‘zbekiston Respublikasi Prezidenti bugun yangi qaror imzoladi va u barcha fuqarolar uchun muhim.",
        "Azərbaycan Respublikasının prezidenti bu gün yeni qanunu imzaladı və o, qüvvəyə mindi.",
        "بو يەردە ياشايدىغان ئادەملەر ئۆز تىلىدا سۆزلەيدۇ ۋە بالىلىرىنى مەكتەپكە بېرىدۇ",
        "این کتاب بسیار خوب است و همه باید آن را بخوانند",
        "ذهب الولد إلى المدرسة في الصباح الباكر مع أصدقائه",
    ],
)
def test_what_is_not_kazakh_in_another_script_is_not_converted(text: str) -> None:
    assert to_cyrillic(text) is None


def test_detect_script() -> None:
    assert detect_script("Қазақ tili тілі") == "Cyrl"
    assert detect_script("qazaq тілі latynşa") == "Latn"
    assert detect_script("قازاق") == "Arab"
    assert detect_script("123 … —") == "Zyyy"


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
def test_three_scripts_of_mediawiki_agree() -> None:
    """131 interface texts written by people in all three scripts: what two scripts give has to be the same words.

    The Latin and the Arabic text are parallel; the Cyrillic one is often another wording, so it is no oracle word by word.
    """
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "mediawiki_i18n" / "mediawiki_ext_kk3scripts_ru_en.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wikipedia = next(alphabet for alphabet in LATIN_ALPHABETS if alphabet.name == "latin-wikipedia")
    total = same = 0
    for row in rows:
        if "kk_latn" not in row or "kk_arab" not in row:
            continue
        latin = re.findall("[а-яәғқңөұүһі]+", latin_to_cyrillic(row["kk_latn"], wikipedia).lower())
        arabic = re.findall("[а-яәғқңөұүһі]+", arabic_to_cyrillic(row["kk_arab"]).lower())
        if len(latin) == len(arabic):
            total += len(latin)
            same += sum(one == other for one, other in zip(latin, arabic, strict=True))
    assert total > 200
    assert same / total > 0.97
