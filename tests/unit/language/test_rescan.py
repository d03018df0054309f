"""A scan that takes over what is known is the scan made anew."""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language.buffer import ScannedTexts, scan_texts
from qaz_llm.language.rescan import rescan

TEXTS = st.text(alphabet="қар Ұ-’7.\n😀", max_size=12)


def assert_equal(one: ScannedTexts, other: ScannedTexts) -> None:
    assert one.texts == other.texts
    for part in ("batch", "words", "lines"):
        for field in fields(getattr(one, part)):
            ours, theirs = getattr(getattr(one, part), field.name), getattr(getattr(other, part), field.name)
            assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs), (part, field.name)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=6), st.lists(st.integers(0, 5) | TEXTS, max_size=8))
def test_texts_kept_dropped_moved_and_new(before: list[str], after: list[int | str]) -> None:
    texts = [
        before[item] if isinstance(item, int) else item for item in after if isinstance(item, str) or item < len(before)
    ]
    assert_equal(rescan(scan_texts(before), texts), scan_texts(texts))


def test_only_the_new_text_is_read(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    first, second, new = "".join(["Қар ", "ериді"]), "".join(["Жаз-", "көктем"]), "".join(["бұлт ", "1"])
    before, expected = scan_texts([first, second]), scan_texts([second, new, first])
    read: list[str] = []
    monkeypatch.setattr("qaz_llm.language.rescan.scan_texts", lambda texts: (read.extend(texts), scan_texts(texts))[1])
    assert_equal(rescan(before, [second, new, first]), expected)
    assert read == [new]
    assert rescan(before, [first, second]) is before
