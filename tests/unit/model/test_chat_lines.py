"""A conversation by lines, with a model that repeats what it is told in capitals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from qaz_llm.io import read_jsonl
from qaz_llm.model.chat import ChatSession, TooLongError
from qaz_llm.model.chat_lines import HELP, ChatLines


class Echo:
    """Says in pieces what it was told."""

    def __init__(self) -> None:
        self.system: str | None = "Қысқа."
        self.turns: list[dict[str, str]] = []

    def __call__(self, question: str, on_text: Callable[[str], None]) -> str:
        if len(self.turns) >= 4:
            raise TooLongError("the conversation has 9 tokens", hint="begin anew: /clear")
        for piece in (" ", question[:2].upper(), question[2:].upper()):
            on_text(piece)
        self.turns += [{"role": "user", "content": question}, {"role": "assistant", "content": question.upper()}]
        return question.upper()

    def messages(self) -> list[dict[str, str]]:
        return [*([{"role": "system", "content": self.system}] if self.system else []), *self.turns]

    def clear(self) -> None:
        self.turns = []


def talk(*typed: str, **values: Any) -> tuple[str, Echo, bool]:
    session, said = Echo(), []
    lines = ChatLines(cast(ChatSession, session), said.append, **values)
    ended = False
    for line in typed:
        ended = not lines.answer(line)
    return "".join(said), session, ended


def test_answers_come_in_pieces_and_an_empty_line_ends_it() -> None:
    said, session, ended = talk("сәлем", "  ")
    assert (said, ended) == ("СӘЛЕМ\n", True)
    assert [turn["role"] for turn in session.turns] == ["user", "assistant"]


def test_commands_clear_the_history_and_change_the_system_turn() -> None:
    said, session, ended = talk("сәлем", "/clear", "/system Ұзақ жауап бер.", "/what")
    assert (session.turns, session.system, ended) == ([], "Ұзақ жауап бер.", False)
    assert said.endswith(f"{HELP}\n")
    assert talk("/system")[1].system is None


def test_what_was_said_is_saved_once_with_labels(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    said, _, _ = talk("сәлем", f"/save {path}", f"/save {path}", label=lambda text: f"⟨{text}⟩")
    assert said.startswith("СӘЛЕМ⟨СӘЛЕМ⟩\n")
    assert "not written over" in said
    assert list(read_jsonl(path)) == [
        {
            "messages": [
                {"role": "system", "content": "Қысқа."},
                {"role": "user", "content": "сәлем"},
                {"role": "assistant", "content": "СӘЛЕМ⟨СӘЛЕМ⟩"},
            ]
        }
    ]


def test_a_conversation_that_is_too_long_says_so_and_goes_on() -> None:
    said, session, ended = talk("а", "б", "в", "/clear", "г")
    assert "the conversation has 9 tokens\n  → begin anew: /clear\n" in said
    assert (len(session.turns), ended) == (2, False)
