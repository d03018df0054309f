import pytest

from qaz_llm.language.buffer import encode_texts
from qaz_llm.language.readings import Reading, read


def reading_of(text: str, left: dict[str, int] | None = None) -> Reading:
    return read(encode_texts([text]).codes_C, left)


def test_each_share_counted_by_hand() -> None:
    # і and ы in one word, ұ in a second syllable, и between consonants further on; also among them the good болды, үшін
    reading = reading_of("Болды үшін елдың мұрұн болип Wikipedia")
    assert reading.words == 6
    assert reading.known_frac == 2 / 6
    assert reading.telling == 2
    assert reading.broken_frac == 3 / 6
    assert reading.left_frac == 1 / 6
    assert reading.deep_frac == 0.0
    assert reading.cost == pytest.approx(1.5 / 6 + 3 / 6 - 2 / 6)


def test_words_left_on_purpose_are_no_words_of_the_text() -> None:
    reading = reading_of("болды үшін XX BBC weft", {"numeral": 1, "abbreviation": 1, "letters": 1})
    assert (reading.words, reading.left_frac) == (3, 1 / 3)


@pytest.mark.parametrize("word", ["қолхат", "үйшік", "тәуелсіздік", "қиын", "әдеби", "рухани", "жүйесі", "киім"])
def test_words_of_kazakh_are_whole(word: str) -> None:
    assert reading_of(word).broken_frac == 0


@pytest.mark.parametrize("word", ["елдың", "болүп", "йәшәгән", "мұрұн", "битирген", "қйзйқ"])
def test_words_that_are_not(word: str) -> None:
    assert reading_of(word).broken_frac == 1


def test_nothing() -> None:
    assert reading_of("") == Reading(0, 0.0, 0, 0.0, 0.0, 0.0)
    assert reading_of("2024 …").broken_frac == 0
