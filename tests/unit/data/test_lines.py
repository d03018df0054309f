from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from dedup_corpus import CONFIG, document, make_part
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.blocks import find_blocks
from qaz_llm.data.duplicates.lines import LinePlan, plan_lines
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.segment import match_words

Block = tuple[tuple[str, ...], int, int]
"""Words, first line, last line."""

LINES = st.sampled_from(
    ["", " ", "бір", "Бір екі!", "***", "үш төрт бес", "үш, төрт бес алты", "- жеті\u00a0сегіз", "а б в г д"]
)
TEXTS = st.lists(st.lists(LINES, max_size=7).map("\n".join), min_size=1, max_size=6)


def blocks_by_hand(text: str, min_words: int) -> list[Block]:
    """Paragraphs, then the lines in each; in plain Python."""
    lines = [tuple(match_words(line)) for line in text.split("\n")]
    found: list[Block] = []
    paragraph: list[int] = []
    for number, line in enumerate([*text.split("\n"), ""]):
        if line.strip():
            paragraph.append(number)
            continue
        words = tuple(word for i in paragraph for word in lines[i])
        if len(paragraph) > 1 and len(words) >= min_words and any(0 < len(lines[i]) < min_words for i in paragraph):
            found.append((words, paragraph[0], paragraph[-1]))
        found += [(lines[i], i, i) for i in paragraph if len(lines[i]) >= min_words]
        paragraph = []
    return found


@given(TEXTS, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_blocks_are_the_lines_and_paragraphs(texts: list[str], min_words: int) -> None:
    scanned = scan_texts(texts)
    blocks = find_blocks(scanned, min_words=min_words)
    names: dict[int, tuple[str, ...]] = {}
    for number, text in enumerate(texts):
        mine = slice(blocks.starts_D[number], blocks.starts_D[number + 1])
        first_line = scanned.lines.doc_starts_D[number]
        places = list(zip(blocks.first_B[mine] - first_line, blocks.last_B[mine] - first_line, strict=True))
        expected = blocks_by_hand(text, min_words)
        assert places == [(first, last) for _, first, last in expected]
        for (words, _, _), key in zip(expected, blocks.hashes_B[mine].tolist(), strict=True):
            assert names.setdefault(key, words) == words
    assert len(set(names.values())) == len(names)


def plan_of(
    texts: Sequence[str], folder: Path, config: DedupConfig, dropped: Sequence[int] = (), memory_bytes: int = 1 << 30
) -> LinePlan:
    half = len(texts) // 2
    documents = [document(number, text) for number, text in enumerate(texts)]
    parts = [make_part(folder / "a", documents[:half], config), make_part(folder / "b", documents[half:], config)]
    reasons_N = np.zeros(len(texts), np.uint8)
    reasons_N[list(dropped)] = 1
    return plan_lines(parts, reasons_N, config, work=folder, memory_bytes=memory_bytes)


def removed_by_hand(texts: Sequence[str], config: DedupConfig, dropped: Sequence[int]) -> list[list[int]]:
    """The numbers of the lines that go from each text that stays."""
    min_words = config.line_min_words
    found = [[] if number in dropped else blocks_by_hand(text, min_words) for number, text in enumerate(texts)]
    counts = Counter(words for blocks in found for words in {words for words, _, _ in blocks})
    first = {words: number for number in reversed(range(len(texts))) for words, _, _ in found[number]}
    gone: list[list[int]] = []
    for number, blocks in enumerate(found):
        lines: set[int] = set()
        seen: set[tuple[str, ...]] = set()
        for words, start, end in blocks:
            if counts[words] <= config.line_max_documents or start in lines:
                continue
            if first[words] != number or words in seen:
                lines |= set(range(start, end + 1))
            seen.add(words)
        gone.append(sorted(lines))
    return gone


@given(TEXTS, st.integers(1, 3), st.integers(1, 3), st.sets(st.integers(0, 5)))
@settings(max_examples=20, deadline=None)
def test_plan_against_plain_python(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], min_words: int, most: int, out: set[int]
) -> None:
    config = DedupConfig(line_min_words=min_words, line_max_documents=most)
    dropped = sorted(number for number in out if number < len(texts))
    plan = plan_of(texts, tmp_path_factory.mktemp("plan"), config, dropped)
    expected = removed_by_hand(texts, config, dropped)
    assert plan.touched_N.tolist() == [bool(lines) for lines in expected]
    for number, (text, lines) in enumerate(zip(texts, expected, strict=True)):
        if number in dropped:
            continue
        left, count = plan.remove(number, text)
        assert count == len(lines)
        if not lines:
            assert left == text
        stay = [line for i, line in enumerate(text.split("\n")) if i not in lines and line.strip()]
        assert [line.strip() for line in left.split("\n") if line.strip()] == [line.strip() for line in stay]


def test_common_lines_stay_in_the_first_document_only(tmp_path: Path) -> None:
    shared = "Осы мақаланы басқаларға да жібергеніңіз жөн болар"
    texts = [f"{shared}\nЖеке сөйлемнің реті осындай болады {i}" for i in range(4)]
    texts.append("Қысқа жол\nҚысқа жол")
    config = DedupConfig(line_max_documents=3)
    plan = plan_of(texts, tmp_path / "3", config)
    cleaned = [plan.remove(number, text) for number, text in enumerate(texts)]
    assert cleaned[0] == (texts[0], 0)
    assert [removed for _, removed in cleaned] == [0, 1, 1, 1, 0]
    assert [text for text, _ in cleaned[1:4]] == [f"Жеке сөйлемнің реті осындай болады {i}" for i in range(1, 4)]
    assert plan.touched_N.tolist() == [False, True, True, True, False]
    assert not plan_of(texts, tmp_path / "4", DedupConfig(line_max_documents=4)).touched_N.any()


def test_the_first_that_stays_keeps_the_line(tmp_path: Path) -> None:
    texts = ["Хабарландыру: бүгін кеңсе жабық болады"] * 5
    plan = plan_of(texts, tmp_path, DedupConfig(line_max_documents=2), dropped=[0, 1])
    assert plan.touched_N.tolist() == [False, False, False, True, True]
    assert plan.remove(2, texts[2]) == (texts[2], 0)
    assert plan.remove(3, texts[3]) == ("", 1)


def test_a_menu_of_short_lines_goes_as_a_paragraph(tmp_path: Path) -> None:
    menu = "Басты бет\nЖаңалықтар мұрағаты\nБайланыс"
    texts = [f"{i}-мақаланың тақырыбы\n\n{menu}\n\n{i}-мақаланың өз мәтіні осында" for i in range(6)]
    plan = plan_of(texts, tmp_path, CONFIG)
    assert plan.remove(0, texts[0]) == (texts[0], 0)
    assert plan.remove(5, texts[5]) == ("5-мақаланың тақырыбы\n\n5-мақаланың өз мәтіні осында", 3)


def test_blank_lines_left_by_a_line_at_the_end_of_a_paragraph_stay(tmp_path: Path) -> None:
    shared = "Дереккөз: ақпарат агенттігінің ресми сайты"
    texts = [f"Бірінші абзацтың мәтіні осындай {i}\n{shared}\n\nЕкінші абзацтың мәтіні {i}" for i in range(6)]
    plan = plan_of(texts, tmp_path, CONFIG)
    assert plan.remove(4, texts[4]) == ("Бірінші абзацтың мәтіні осындай 4\n\nЕкінші абзацтың мәтіні 4", 1)


def test_a_line_twice_in_its_first_document_stays_there_once(tmp_path: Path) -> None:
    shared = "Осы мақаланы басқаларға да жіберіңіз"
    texts = [f"{shared}\nӨз мәтіні\n{shared}", *[f"{shared} \nБасқа {i}" for i in range(5)]]
    plan = plan_of(texts, tmp_path, CONFIG)
    assert plan.touched_N.tolist() == [True] * 6
    assert plan.remove(0, texts[0]) == (f"{shared}\nӨз мәтіні", 1)


def test_limits_above_what_a_counter_holds(tmp_path: Path) -> None:
    texts = ["Ортақ жол осындай болады"] * 301
    for limit, touched in ((254, 300), (255, 300), (256, 300), (300, 300), (301, 0)):
        plan = plan_of(texts, tmp_path / str(limit), DedupConfig(line_max_documents=limit))
        assert plan.touched_N.sum() == touched


def test_little_memory_gives_the_same_plan(tmp_path: Path) -> None:
    texts = [f"Ортақ жол осындай болады\nБұл жолдың нөмірі енді {i}" for i in range(300)]
    plenty = plan_of(texts, tmp_path / "a", CONFIG)
    short = plan_of(texts, tmp_path / "b", CONFIG, memory_bytes=1)
    assert plenty.touched_N.tolist() == short.touched_N.tolist() == [False] + [True] * 299


def test_lines_switched_off(tmp_path: Path) -> None:
    plan = plan_of(["бір екі үш төрт бес"] * 8, tmp_path, DedupConfig(lines=False))
    assert not plan.touched_N.any()
    assert plan.remove(3, "бір екі үш төрт бес") == ("бір екі үш төрт бес", 0)
