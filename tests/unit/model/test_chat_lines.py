"""A conversation by lines, with a model that repeats what it is told in capitals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from qaz_llm.io import read_jsonl
from qaz_llm.model.chat import ChatSession, TooLongError
from qaz_llm.model.chat_lines import HELP, ChatLines


class Echo:
    """Says in pieces what it was told."""

    def __init__(self) -> None:
        self.system: str | None = "Қысқа."
        self.turns: list[dict[str, str]] = []
        self.cut_by: str | None = None

    def __call__(self, question: str, on_text: Callable[[str], None]) -> str:
        self.cut_by = "it has 3 tokens" if question == "ұзақ" else None
        if question == "тоқта":
            on_text("ТОҚ")
            raise KeyboardInterrupt
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


def test_answers_that_were_cut_off_are_told_where_they_are_saved(tmp_path: Path) -> None:
    said, _, _ = talk("ұзақ", "сәлем", f"/save {tmp_path / 'a'}", "/clear", "сәлем", f"/save {tmp_path / 'b'}")
    first, second = said.split(f"{tmp_path / 'b'}")
    assert "[of its answers 1 were cut off" in first and "cut off" not in second


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


def test_an_answer_that_was_cut_off_is_marked_behind_its_label() -> None:
    said, session, _ = talk("ұзақ", "қысқа", label=lambda text: f"⟨{text}⟩")
    assert said == "ҰЗАҚ⟨ҰЗАҚ⟩\n[cut off: it has 3 tokens]\nҚЫСҚА⟨ҚЫСҚА⟩\n"
    assert session.turns[1]["content"] == "ҰЗАҚ"


def test_ctrl_c_ends_an_answer_and_where_a_person_types_not_the_conversation() -> None:
    """What was said before it is machine-made, and labelled."""
    said, session, ended = talk("тоқта", "бір", label=lambda text: f"⟨{text}⟩", goes_on=True)
    assert said == "ТОҚ⟨ТОҚ⟩\n[stopped; this turn is not remembered]\nБІР⟨БІР⟩\n"
    assert (len(session.turns), ended) == (2, False)
    with pytest.raises(KeyboardInterrupt):
        talk("тоқта", "бір")


def test_what_a_terminal_obeys_is_shown_and_labelled_as_its_escape() -> None:
    said, _, _ = talk("a\x9b2J", label=lambda text: f"⟨{text}⟩")
    assert said == "A\\x9b2J⟨A\\x9b2J⟩\n"


def test_a_file_is_not_saved_over_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    said, _, ended = talk("сәлем", f"/save {tmp_path / 'link'}")
    assert "is a link to" in said and not ended and (tmp_path / "link").is_symlink()
