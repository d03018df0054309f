"""Which text becomes rows: the parts of a mix, or a recipe over a corpus; and how rows are cut."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, model_validator

from qaz_llm.config import LanguageCode, StrictModel
from qaz_llm.data.config import MixConfig

PART_BYTES = 64 << 20
"""Large inputs are made into rows in parts of this size, as far as their files can be cut."""


@dataclass(frozen=True, slots=True)
class RowShape:
    """How examples become rows of `seq_len` tokens: dialogues or text, and whether what is too long is cut and continued in
    the next row or left out; and in parts of how many bytes input is read, each of which begins a row."""

    seq_len: int
    chat: bool
    splits: bool
    part_bytes: int = PART_BYTES
    packs: bool = True
    """False: a row holds one example and padding."""
    pairs: bool = False
    """Dialogues come in pairs, one preferred to the other, and stay together in a row."""


class MixEntry(StrictModel):
    """One part of the training text: a file, a glob, a folder or `embedded:NAME`, and its weight in tokens.

    Of a corpus that `qaz data build` made, `language`, `source` and `min_quality` take only the rows that are so.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    """What metrics and reports call this part."""
    path: str
    """A file, a glob, a folder (with `.txt`, `.jsonl`, Parquet or shards of `qaz data build`), or `embedded:NAME`. For
    method sft dialogues: shards of a build, or rows as OpenAI, ShareGPT and Alpaca have them. For method dpo rows with
    `chosen` and `rejected`."""
    language: LanguageCode | None = None
    """Take only rows in this language."""
    source: str | None = None
    """Take only rows of this source of a build."""
    min_quality: float | None = None
    """Take only rows with at least this `meta.quality`."""
    weight: float = Field(default=1.0, gt=0)
    """Share of the tokens, relative to the other parts."""


class TrainDataConfig(StrictModel):
    """What is trained on: parts with a weight each (`mix`), or a corpus by languages and sources (`recipe`).

    One traversal of the mix has `total_tokens`; null means as many as all parts hold together. No part is repeated more than
    `max_passes` times in one traversal; `epochs` and `max_steps` say how many there are. A recipe has both keys of its own.
    """

    mix: tuple[MixEntry, ...] | None = Field(default=None, min_length=1)
    """Parts with a weight each."""
    recipe: MixConfig | None = None
    """In place of `mix`: a finished corpus by languages and sources; see the keys of a mix."""
    total_tokens: int | None = Field(default=None, gt=0)
    """Tokens of one traversal of the mix; null: as many as the parts hold together."""
    max_passes: float = Field(default=4.0, gt=0)
    """No part is repeated more often than this in one traversal."""
    cache_dir: Path | None = None
    """Where token ids are kept between runs; null: RUN_DIR/packed."""
    workers: int | None = Field(default=None, ge=1)
    """Processes that turn text into rows; null: as many as this job has cores. The rows do not depend on their number."""

    @model_validator(mode="after")
    def _check_names(self) -> TrainDataConfig:
        if (self.mix is None) == (self.recipe is None):
            raise ValueError(
                "data takes either mix, parts with a weight each, or recipe, a corpus by languages and sources"
            )
        if self.recipe is not None and (self.total_tokens is not None or self.max_passes != 4.0):
            raise ValueError("with a recipe, total_tokens and max_passes belong into data.recipe")
        names = [entry.name for entry in self.mix or ()]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"the names of the mix must differ, found {', '.join(repeated)} more than once")
        return self
