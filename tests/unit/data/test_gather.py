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
        self.labelled = 0

    def labelled_conversation(self) -> None:
        self.labelled += 1

    def contaminated(self, items: Sequence[int]) -> None:
        self.items.append(tuple(items))

    def read_conversations(self, source: str, fingerprints: Mapping[str, str]) -> None:
        self.files |= fingerprints

    def keep_conversation(
        self, conversation: Conversation, pii: Mapping[str, int], repairs: Mapping[str, int], asked_answered: str
    ) -> None:
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


def chat(*turns: str, **values: Any) -> dict[str, Any]:
    names = ("user", "assistant")
    return {"messages": [{"role": names[n % 2], "content": text} for n, text in enumerate(turns)], **values}


CHAT: dict[str, Any] = {"kind": "chat", "language": "kk"}


def test_ids_that_begin_anew_drop_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_jsonl(tmp_path / f"{name}.jsonl", [chat(f"{name}{n} деген не?", f"{name}{n}", id=n) for n in range(3)])
    recorder, out = gather(tmp_path, [], {"name": "c", "path": str(tmp_path / "[ab].jsonl"), **CHAT})
    assert recorder.kept == {"c": 6}
    assert [row["id"] for row in rows_of(out, "conversations")] == [f"c/{f}.jsonl/{n}" for f in "ab" for n in range(3)]
    assert not recorder.notices.to_list()


def test_of_a_declared_id_only_the_same_row_is_dropped(tmp_path: Path) -> None:
    rows = [chat("Не?", "Кітап", key="p"), chat("Кім?", "Абай", key="p"), chat("Не?", "Кітап", key="p")]
    recorder, out = gather(tmp_path, rows, {**CHAT, "id_field": "key"}, dedup={"exact": False, "near": False})
    assert [row["id"] for row in rows_of(out, "conversations")] == ["c/p", "c/p#0000001"]
    assert [(r["id"], r["reason"], r["of"]) for r in rows_of(out, "dropped_conversations")] == [
        ("c/p#0000002", "duplicate_id", "c/p")
    ]
    assert recorder.notices.to_list() == [{"kind": "repeated_ids", "where": "c", "count": 1}]


def test_one_answer_to_one_question_about_several_passages(tmp_path: Path) -> None:
    passages = (LONG, LONG + " екен", LONG.replace("ағаш", "гүл"), "Қысқа мәтін.")
    rows = [{"question": "Мәтін дұрыс па?", "context": passage, "answer": "Иә, дұрыс."} for passage in passages]
    recorder, _ = gather(tmp_path, [*rows, rows[1]], {**QA, "context_field": "context"})
    assert recorder.kept == {"c": 4}
    assert recorder.dropped == {("c", "exact_duplicate"): 1}


@pytest.mark.parametrize(
    "rows",
    [
        [chat("5+3 қанша?", "Есептедім"), chat("5-3 қанша?", "Есептедім")],
        [chat("a<b рас па?", "Иә"), chat("a>b рас па?", "Иә")],
        [chat(f"{LONG}\n\nАвторы кім?", "Белгісіз"), chat(f"{LONG}\n\nҚашан?", "Белгісіз")],
        [chat("Сәлем!", "Сәлем!", "Не жаңалық?", LONG), chat("Сәлем!", "Сәлем!", "Қалайсыз?", LONG)],
        [chat("Сәлем!", "Сәлем!"), chat("Сәлем!", "Сәлем!", "Не жаңалық?", "Жақсы")],
        [chat("Ертегі айт", LONG), chat("Ертегі айт", " ".join(reversed(LONG.split())))],
        [chat("Қате қайда?\n\nif x:\n    y()\n    z()", "Жоқ"), chat("Қате қайда?\n\nif x:\n    y()\nz()", "Жоқ")],
        [chat("print дегені не?", "Функция"), chat("Print дегені не?", "Функция")],
        [chat("Сәлем!", "Сәлем!", system="Қысқа айт."), chat("Сәлем!", "Сәлем!", system="Ұзақ айт.")],
    ],
)
def test_what_differs_in_what_matters_stays(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    recorder, _ = gather(tmp_path, rows, CHAT)
    assert recorder.kept == {"c": 2}


def test_both_labels_of_one_text_stay_and_a_repetition_goes(tmp_path: Path) -> None:
    rows = [
        {"text": LONG, "category": "ауыл"},
        {"text": LONG, "category": "еңбек"},
        {"text": LONG + "!", "category": "ауыл"},
    ]
    recorder, _ = gather(tmp_path, rows, {"kind": "classification", "language": "kk"})
    assert (recorder.kept, recorder.dropped) == ({"c": 2}, {("c", "near_duplicate"): 1})


def test_questions_that_differ_in_a_telephone_number_alone_are_one(tmp_path: Path) -> None:
    rows = [chat(f"Нөмірім {number}, сақта.", "Жарайды.") for number in ("+7 701 123 45 67", "+7 702 765 43 21")]
    recorder, out = gather(tmp_path, rows, CHAT)
    assert recorder.dropped == {("c", "exact_duplicate"): 1}
    assert "<PHONE>" in str(rows_of(out, "conversations"))


def test_what_has_no_answer_is_cut_and_said(tmp_path: Path) -> None:
    rows = [chat("Сәлем!", "Сәлем!", "Тағы не бар?"), chat("Не?")]
    recorder, out = gather(tmp_path, rows, CHAT)
    assert [len(row["messages"]) for row in rows_of(out, "conversations")] == [2]
    assert recorder.dropped == {("c", "no_answer"): 1}
    assert recorder.notices.to_list() == [{"kind": "unanswered_turns", "where": "c", "count": 1}]


LAYOUT = {
    "inline code": 'Сілтеме үшін `<a href="https://example.kz">Сайт</a>`, қалың қаріп үшін `<b>сөз</b>` деп жазыңыз.',
    "inequality": "Егер x <a болса және a < b болса, онда x < b.",
    "html in a fence": "Мынау:\n\n```html\n<ul>\n  <li>бір</li>\n</ul>\n```",
    "fence in a list": "Қадамдар:\n\n1. Жазыңыз:\n\n   ```python\n   def f(x):\n       if x > 0:\n           return x\n   ```\n\n2. Тексеріңіз.",
    "bare code": "Міне:\n\ndef f(x):\n    for i in range(x):\n        print(i)\n    return x",
    "tabs": "Мынау:\n\nfor x in y:\n\tprint(x)\n\t\tpass",
    "nested list": "Жоспар:\n\n- Кіріспе\n  - Мақсаты\n    - Бірінші\n- Негізгі",
    "tildes": "Қараңыз:\n\n~~~yaml\nсайт:\n  аты: Сынақ\n  тізім:\n    - бір\n~~~",
    "table": "| аты   | саны |\n|-------|-----:|\n| алма  |    5 |",
    "verse": "Желсіз түнде жарық ай,\n    Сәулесі суда дірілдеп,\nАуылдың жаны терең сай,\n    Тасыған өзен гүрілдеп.",
    "blank lines": "бірінші\n\n\n\nекінші",
    "aligned": "x   = 1\nyyy = 2",
}


@pytest.mark.parametrize("answer", LAYOUT.values(), ids=list(LAYOUT))
def test_white_space_of_turns_is_content(tmp_path: Path, answer: str) -> None:
    _, out = gather(tmp_path, [chat(answer, answer)], CHAT)
    (row,) = rows_of(out, "conversations")
    assert [message["content"] for message in row["messages"]] == [answer, answer]


def test_what_is_repaired_in_turns_is_counted(tmp_path: Path) -> None:
    recorder, out = gather(tmp_path, [chat("Бiлiм деген не?", "Оқу\u200b мен тоқу")], CHAT)
    assert [m["content"] for m in rows_of(out, "conversations")[0]["messages"]] == ["Білім деген не?", "Оқу мен тоқу"]
    assert recorder.repairs == {"lookalike": 1, "invisible": 1}


def test_dialogues_in_another_script_hold_evaluation_items_too(tmp_path: Path) -> None:
    latin = "Qazaqstannyñ būrynğy astanasy Almaty qalasy qai taudyñ bökterınde ornalasqan eken?"
    recorder, out = gather(tmp_path, [chat(latin, "Ile Alatauynyñ")], CHAT)
    assert recorder.dropped == {("c", "contaminated"): 1}
    (dropped,) = rows_of(out, "dropped_conversations")
    assert dropped["file"].endswith("quiz.jsonl")
    assert dropped["item"]


def test_an_id_that_is_somebodys_number_or_address_is_not_kept(tmp_path: Path) -> None:
    rows = [
        chat("Не?", "Кітап", id="aigul@example.kz"),
        chat("Кім?", "Абай", id="+7 701 123 45 67"),
        chat("Қашан?", "Бүгін", id="3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
        chat("Кім?", "Абай", id="+7 701 123 45 67"),
        {"messages": [], "id": "berik@example.kz", "note": 1},
    ]
    recorder, out = gather(tmp_path, rows, {**CHAT, "id_field": "id"}, dedup={"exact": False, "near": False})
    kept = [row["id"] for row in rows_of(out, "conversations")]
    assert [name.partition("~")[0] for name in kept[:2]] == ["c/<EMAIL>", "c/<PHONE>"]
    assert kept[2:] == ["c/3f2504e0-4f89-41d3-9a0c-0305e82c3301"]
    again, empty = rows_of(out, "dropped_conversations")
    assert (again["reason"], again["of"]) == ("duplicate_id", kept[1])
    assert empty["id"].startswith("c/<EMAIL>~")
    assert recorder.pii == {"email": 1, "phone": 1}


def test_a_context_that_is_not_asked_about_is_said(tmp_path: Path) -> None:
    rows = [{"question": "Кім?", "context": "Абай ақын.", "answer": "Абай"}, {"question": "Не?", "answer": "Кітап"}]
    recorder, _ = gather(tmp_path, rows, QA)
    assert recorder.notices.to_list() == [{"kind": "context_unused", "where": "c", "count": 1}]


def test_tools_thoughts_and_weights_are_kept_cleaned_and_redacted(tmp_path: Path) -> None:
    call = {"function": {"name": "send", "arguments": {"to": "aigul@example.kz", "n": 1}}}
    turns = [
        {"role": "user", "content": "Хат жазып жіберші."},
        {"role": "assistant", "content": None, "reasoning_content": "Пошта: aigul@example.kz", "tool_calls": [call]},
        {"role": "tool", "content": "жіберілді"},
        {"role": "assistant", "content": "Хат кетті.", "weight": 0},
        {"role": "user", "content": "Рахмет!"},
        {"role": "assistant", "content": "Оқасы жоқ."},
    ]
    tools = [{"name": "send", "description": "Сұрақтар: aigul@example.kz"}]
    recorder, out = gather(tmp_path, [{"messages": turns, "tools": tools}], {"kind": "chat", "language": "kk"})
    (row,) = rows_of(out, "conversations")
    assert "aigul@example.kz" not in str(row)
    assert recorder.pii.total() == 3
    assert row["messages"][1]["tool_calls"][0]["function"]["name"] == "send"
    assert row["messages"][1]["tool_calls"][0]["function"]["arguments"]["n"] == 1
    assert row["messages"][1]["reasoning_content"].startswith("Пошта: ")
    assert [message.get("weight") for message in row["messages"]] == [None, None, None, 0, None, None]
    assert row["tools"][0]["function"]["name"] == "send"


def test_dialogues_that_differ_in_a_call_or_a_tool_are_two(tmp_path: Path) -> None:
    def called(city: str, **row: Any) -> dict[str, Any]:
        call = {"name": "weather", "arguments": {"city": city}}
        return {
            "messages": [{"role": "user", "content": "Ауа райы?"}, {"role": "assistant", "tool_calls": [call]}],
            **row,
        }

    rows = [called("Астана"), called("Алматы"), called("Астана"), called("Астана", tools=[{"name": "weather"}])]
    recorder, _ = gather(tmp_path, rows, {"kind": "chat", "language": "kk"})
    assert (recorder.kept["c"], dict(recorder.dropped)) == (3, {("c", "exact_duplicate"): 1})
