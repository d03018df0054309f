"""The pieces that a mix is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MixPart:
    """The text of one source in one language, as far as its quality is good enough."""

    language: str
    source: str
    tokens: int
    min_quality: float | None = None
    """Documents of lower `meta.quality` are not part of it."""

    @property
    def name(self) -> str:
        return f"{self.language}.{self.source}"
