"""A conversation on a terminal: lines that are typed, answers as they are made, and commands between them.

› Сәлем!              asked of the model
› /clear              forget what was said
› /save FILE          keep it as a row {"messages": […]}, which `qaz train` and a build read
› /system TEXT        another system turn; without TEXT none
› an empty line       ends it
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qaz_llm.errors import QazError
from qaz_llm.io import check_output_file, write_jsonl
from qaz_llm.labels.names import safe_lines
from qaz_llm.model.chat import ChatSession

HELP = (
    "/clear forgets what was said, /save FILE keeps it, /system TEXT gives another system turn; an empty line ends it"
)
Say = Callable[[str], None]


class ChatLines:
    """Answers lines; `say` gets pieces of text with their line ends, `label` what stands behind an answer.

    Ctrl-C ends an answer; with `goes_on`, where a person types, not the conversation.
    """

    def __init__(
        self, session: ChatSession, say: Say, *, label: Callable[[str], str] | None = None, goes_on: bool = False
    ) -> None:
        self._goes_on = goes_on
        self._session = session
        self._say = say
        self._label = label
        self._cut_off = 0
        """How many of the answers so far are not whole."""

    def answer(self, line: str) -> bool:
        """Answer a line, or do what it says; False where it ends the conversation."""
        line = line.strip()
        if not line:
            return False
        try:
            if line.startswith("/"):
                self._do(*line[1:].partition(" ")[::2])
            else:
                self._ask(line)
        except QazError as error:
            self._say(f"{error}\n")
        return True

    def _ask(self, question: str) -> None:
        said: list[str] = []

        def on_text(piece: str) -> None:
            piece = safe_lines(piece if said else piece.lstrip())
            if piece:
                said.append(piece)
                self._say(piece)

        try:
            self._session(question, on_text)
        except KeyboardInterrupt:
            self._end_of("".join(said), "stopped; this turn is not remembered")
            if not self._goes_on:
                raise
            return
        cut_by = self._session.cut_by
        if cut_by is not None:
            self._cut_off += 1
        self._end_of("".join(said), f"cut off: {cut_by}" if cut_by is not None else None)

    def _end_of(self, text: str, mark: str | None) -> None:
        """The label, for the text as it stands there with white space at its end, and why the answer is not whole."""
        self._say(f"{self._label(text) if self._label is not None and text.strip() else ''}\n")
        if mark is not None:
            self._say(f"[{mark}]\n")

    def _do(self, name: str, rest: str) -> None:
        rest = rest.strip()
        if name == "clear":
            self._session.clear()
            self._cut_off = 0
            self._say("forgotten\n")
        elif name == "system":
            self._session.system = rest or None
            self._say(f"system turn: {rest or 'none'}\n")
        elif name == "save" and rest:
            self._save(Path(rest).expanduser())
        else:
            self._say(f"{HELP}\n")

    def _save(self, path: Path) -> None:
        check_output_file(path, replaces=False)
        messages = self._session.messages()
        if self._label is not None:
            messages = [
                {**turn, "content": turn["content"] + self._label(turn["content"])}
                if turn["role"] == "assistant" and turn["content"]
                else turn
                for turn in messages
            ]
        write_jsonl(path, [{"messages": messages}])
        self._say(f"{path}: {len(messages)} turns{', answers labelled' if self._label is not None else ''}\n")
        if self._cut_off:
            self._say(
                f"[of its answers {self._cut_off} were cut off: a model that learns from them learns to stop midway]\n"
            )
