"""What an answer has said: its texts, cleaned and cut at stop strings, whether they come in pieces or whole."""

from __future__ import annotations

from collections import Counter
from typing import Any

from qaz_llm.serve.answers import OTHER_TEXTS, Part
from qaz_llm.serve.cleaning import Cleaner
from qaz_llm.serve.events import StopCutter
from qaz_llm.serve.fields import Asked

REPLACEMENT = "\ufffd"
"""What engines decode bytes to that are no letter."""


class Said:
    """An answer as far as it has gone out."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.removed: Counter[str] = Counter()
        self.usage: Any = None
        self.has_calls = False
        self._finish: str | None = None
        self._half = ""
        """What stands for bytes of a letter at the end, of which the others may not come."""
        self._cutter = StopCutter(asked.stop)
        self._cleaner = Cleaner(self.removed)
        self._texts: list[str] = []
        self._cleaners: dict[str, Cleaner] = {}
        self._beside: dict[str, list[str]] = {}

    def take(self, part: Part) -> tuple[str, dict[str, Any]]:
        """What of a piece can be sent now: of its text, and of what stands beside it."""
        self.usage = part.usage or self.usage
        self._finish = part.finish or self._finish
        self.has_calls |= "tool_calls" in part.others
        others = dict(part.others)
        for key in OTHER_TEXTS:
            if key in others:
                cleaner = self._cleaners.setdefault(key, Cleaner(self.removed))
                others[key] = cleaner.feed(others[key])
                self._beside.setdefault(key, []).append(others[key])
        came = self._half + part.text
        whole = came.rstrip(REPLACEMENT)
        self._half = came[len(whole) :]
        text = self._cutter.feed(self._cleaner.feed(whole))
        self._texts.append(text)
        return text, {key: held for key, held in others.items() if held}

    def rest(self) -> tuple[str, dict[str, str]]:
        """What waited, at the end of the answer."""
        half = "" if self._finish == "length" else self._half  # a letter that was cut off is none
        self._half = ""
        held = self._cutter.feed(self._cleaner.feed(half) + self._cleaner.flush()) + self._cutter.flush()
        self._texts.append(held)
        beside = {key: cleaner.flush() for key, cleaner in self._cleaners.items()}
        for key, text in beside.items():
            self._beside[key].append(text)
        return held, {key: text for key, text in beside.items() if text}

    @property
    def text(self) -> str:
        """`content`, or `text`."""
        return "".join(self._texts)

    @property
    def beside(self) -> dict[str, str]:
        """The other texts."""
        return {key: "".join(texts) for key, texts in self._beside.items()}

    @property
    def finish(self) -> str | None:
        """Why it ended."""
        return "stop" if self._cutter.is_cut else self._finish
