import gzip
import json
import os
from pathlib import Path

import pytest

from qaz_llm.language.identify import identify, identify_sentence

TEXTS = {
    "kk": "Ауыл тұрғындары жаңа көпірдің ашылуына жиналды. Мұндай құрылыс бұрын болмаған.",
    "ru": "Жители села собрались на открытие нового моста. Такой стройки раньше не было.",
    "en": "The villagers gathered for the opening of the new bridge. There had been no such works before.",
    "ky": "Кыргызстандын президенти бүгүн жаңы мыйзамга кол койду. Бул тууралуу басма сөз кызматы билдирди.",
    "tt": "Бу татар телендә язылган җөмлә. Ул бик матур һәм файдалы китап иде, балалар аны яратып укыды.",
    "ba": "Башҡортостан Республикаһында яңы мәктәп асылды, балалар уҡырға килде.",
    "uz": "Ўзбекистон Республикаси Президенти янги қарор имзолади. Бу ҳақда матбуот хизмати хабар берди.",
    "mn": "Монгол улсын ерөнхийлөгч өнөөдөр шинэ хууль баталж, ард түмэнд мэдээлэл хүргэв.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_languages(language: str) -> None:
    assert identify(TEXTS[language]).main == language


@pytest.mark.parametrize(
    "text",
    [
        "Қарақалпақстан Республикасы бойынша бүгин жаңа мектеплер ашылды ҳәм балалар оқыўға келди.",
        "Тоҷикистон дар маркази Осиё ҷойгир аст, пойтахташ шаҳри Душанбе мебошад.",
        "Хакас тілі хакас чоннаңар чоохталча, аның пазы полған тілні ӧӧрет тее ҷолға.",
        "Президент України підписав новий закон, який набуде чинності наступного року.",
        "O'zbekiston prezidenti bugun yangi qaror imzoladi va u barcha fuqarolar uchun muhim.",
    ],
)
def test_neighbours_are_neither_kk_nor_ru_nor_en(text: str) -> None:
    shares = identify(text)
    assert shares.kk == 0
    assert shares.other == pytest.approx(1)


def test_shares_follow_the_letters_of_each_part() -> None:
    kazakh, russian = TEXTS["kk"], TEXTS["ru"]
    letters = [sum(c.isalpha() for c in part) for part in (kazakh, russian)]
    shares = identify(f"{kazakh}\n{russian}")
    assert shares.kk == pytest.approx(letters[0] / sum(letters))
    assert shares.ru == pytest.approx(letters[1] / sum(letters))
    assert shares.kk + shares.ru + shares.en + shares.other == pytest.approx(1)


def test_kazakh_names_do_not_make_a_russian_sentence_kazakh() -> None:
    assert identify_sentence("Он сказал, что Қасым Іргебай и его брат не были на этой встрече, но это не так") == "ru"


def test_letters_flattened_to_russian_are_reported_not_guessed() -> None:
    flat = str.maketrans("әғқңөұүһі", "агкноууги")
    text = " ".join([TEXTS["kk"], "Олар өздерінің көршілерімен бірге жаңа жол туралы сөйлесіп, кейін үйлеріне қайтты."])
    assert identify(text).main == "kk"
    assert identify(text.translate(flat)).kk == 0


@pytest.mark.parametrize("text", ["", "12 345", "— … !", "Иә.", "\n\n"])
def test_nothing_to_tell_by(text: str) -> None:
    shares = identify(text)
    assert shares.main == "und"
    assert shares.detail == {}


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_parallel_sentences(language: str) -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "flores200" / "flores200_devtest_kk_ru_en.jsonl"
    rows = [json.loads(line)[language] for line in path.read_text(encoding="utf-8").splitlines()][:300]
    found = [identify_sentence(row) for row in rows]
    assert found.count(language) / len(found) > 0.98
    wrong = {"kk", "ru", "en"} - {language}
    assert sum(code in wrong for code in found) <= 1


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
def test_passages_of_an_encyclopaedia() -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "kazqad" / "kazqad_rc_validation.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        passages = sorted({json.loads(line)["context"] for line in lines})[:200]
    assert sum(identify(text).main == "kk" for text in passages) >= 198
