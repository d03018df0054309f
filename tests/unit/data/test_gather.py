"""The gates that conversations pass on their way to the shards."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from qaz_llm.data.chat.gather import gather_conversations
from qaz_llm.data.clean import Cleaner
from qaz_llm.data.config import DataConfig, DecontaminateConfig
from qaz_llm.data.manifest import Ledger
from qaz_llm.data.notices import Notices
from qaz_llm.data.protect.decontaminate import EvaluationItem, make_decontaminator
from qaz_llm.io import read_jsonl, write_jsonl
from qaz_llm.records import Conversation

EVALUATED = "Қазақстанның бұрынғы астанасы Алматы қаласы қай таудың бөктерінде орналасқан екен?"


class Recorder:
    """Counts as the ledger does."""

    def __init__(self) -> None:
        self.kept: Counter[str] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()
        self.pii: Counter[str] = Counter()
        self.repairs: Counter[str] = Counter()
        self.files: dict[str, str] = {}
        self.notices = Notices()
        self.items: list[tuple[int, ...]] = []

    def contaminated(self, items: Sequence[int]) -> None:
        self.items.append(tuple(items))

    def read_conversations(self, source: str, fingerprints: Mapping[str, str]) -> None:
        self.files |= fingerprints

    def keep_conversation(self, conversation: Conversation, pii: Mapping[str, int], repairs: Mapping[str, int]) -> None:
        self.kept[conversation.source] += 1
        self.pii.update(pii)
        self.repairs.update(repairs)

    def drop_conversation(self, source: str, reason: str) -> None:
        self.dropped[source, reason] += 1


def gather(tmp_path: Path, rows: list[dict[str, Any]], source: dict[str, Any], **values: Any) -> tuple[Recorder, Path]:
    write_jsonl(tmp_path / "rows.jsonl", rows)
    declared = [source] if "name" in source else [{"name": "c", "path": str(tmp_path / "rows.jsonl"), **source}]
    config = DataConfig.model_validate(
        {"sources": [{"name": "s", "path": "s.jsonl"}], "conversations": declared, **values}
    )
    items = [EvaluationItem("quiz.jsonl", "1", (EVALUATED,))]
    cleaner = SimpleNamespace(decontaminator=make_decontaminator(items, DecontaminateConfig()))
    recorder = Recorder()
    out = tmp_path / "work" / "result"
    out.mkdir(parents=True)
    gather_conversations(config, cast(Cleaner, cleaner), cast(Ledger, recorder), out)
    assert [path.name for path in out.parent.iterdir()] == ["result"], "what waits is removed"
    return recorder, out


def rows_of(out: Path, prefix: str) -> list[dict[str, Any]]:
    return [row for path in sorted(out.glob(f"{prefix}-*")) for row in read_jsonl(path)]


LONG = (
    "Көктемде ауыл адамдары арық тазалап, ағаш отырғызып, мал төлдетіп, егін егуге дайындалады да, күн ұзақ еңбек етеді"
)
QA: dict[str, Any] = {"kind": "qa", "language": "kk"}


def test_each_gate_drops_what_it_is_for(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "question": "Көктемде не істейді?", "answer": LONG},
        {"id": 2, "question": "Көктемде не істейді?", "answer": LONG.upper()},
        {"id": 3, "question": "Көктемде не істейді?", "answer": LONG + " екен"},
        {"id": 4, "question": EVALUATED, "answer": "Іле Алатауының"},
        {"id": 1, "question": "Күзде не істейді?", "answer": "Егін орады"},
        {"id": 5, "question": "Менің нөмірім +7 701 123 45 67, сақтадың ба?", "answer": "Иә, сақтадым"},
        {"id": 6, "question": "Бос па?", "answer": None},
        {"id": 7, "question": "Көктемде не істейді?", "answer": LONG},
    ]
    recorder, out = gather(tmp_path, rows, QA)
    assert recorder.kept == {"c": 3}
    reasons = {row["id"]: (row["reason"], row.get("of")) for row in rows_of(out, "dropped_conversations")}
    assert reasons == {
        "c/2": ("near_duplicate", "c/1"),
        "c/3": ("near_duplicate", "c/1"),
        "c/4": ("contaminated", None),
        "c/6": ("missing_text", None),
        "c/7": ("exact_duplicate", "c/1"),
    }
    assert recorder.kept.total() + recorder.dropped.total() == len(rows)
    first, other, last = rows_of(out, "conversations")
    assert first["messages"][1]["content"] == LONG
    assert other["id"] == "c/1#0000004", "its id is taken, its content is its own"
    assert recorder.notices.to_list() == [{"kind": "repeated_ids", "where": "c", "count": 1}]
    assert list(recorder.files) == ["rows"]
    assert recorder.items == [(0,)]
    assert "701" not in str(last)
    assert recorder.pii == {"phone": 1}
    assert "701" not in str(rows_of(out, "dropped_conversations"))


def test_both_directions_of_a_pair_stay_and_its_repetition_goes(tmp_path: Path) -> None:
    pair = {
        "kk": LONG + ".",
        "ru": "Весной жители аула чистят арыки, сажают деревья, принимают приплод и готовятся к севу.",
    }
    rows = [{"id": "a", **pair}, {"id": "b", **pair}]
    recorder, out = gather(tmp_path, rows, {"kind": "parallel", "texts": {"kk": "kk", "ru": "ru"}})
    assert [row["id"] for row in rows_of(out, "conversations")] == ["c/a/kk-ru", "c/a/ru-kk"]
    assert recorder.dropped == {("c", "exact_duplicate"): 2}


def test_questions_about_one_text_are_no_duplicates(tmp_path: Path) -> None:
    rows = [{"question": f"{who} кім еді?", "context": LONG, "answer": who} for who in ("Абай", "Шоқан", "Ыбырай")]
    recorder, _ = gather(tmp_path, rows, {**QA, "context_field": "context"})
    assert recorder.kept == {"c": 3}


def test_the_licence_policy_looks_at_each_row(tmp_path: Path) -> None:
    rows = [
        {"question": "Бірінші ме?", "answer": "Иә", "by": "CC-BY-4.0"},
        {"question": "Екінші ме?", "answer": "Иә", "by": "CC-BY-NC-4.0"},
        {"question": "Үшінші ме?", "answer": "Иә", "by": None},
    ]
    policy = {"non_commercial": "refuse", "unknown": "refuse"}
    recorder, out = gather(tmp_path, rows, {**QA, "licence_field": "by"}, licences=policy)
    assert [row["licence"] for row in rows_of(out, "conversations")] == ["CC-BY-4.0"]
    assert recorder.dropped == {("c", "licence"): 2}


def test_a_source_whose_licence_is_refused_is_not_read(tmp_path: Path) -> None:
    absent = {"name": "absent", "path": str(tmp_path / "absent.jsonl"), **QA}
    recorder, _ = gather(tmp_path, [], absent, licences={"unknown": "refuse"})
    assert not recorder.kept
    assert not recorder.dropped


@pytest.mark.parametrize("near", [True, False])
def test_duplicate_search_can_be_switched_off(tmp_path: Path, near: bool) -> None:
    rows = [{"question": "Не?", "answer": LONG}, {"question": "Не?", "answer": LONG}]
    recorder, _ = gather(tmp_path, rows, QA, dedup={"exact": False, "near": near})
    assert recorder.kept == {"c": 1 if near else 2}
