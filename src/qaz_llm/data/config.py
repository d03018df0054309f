"""What a data build is told: sources, how they are cleaned, and what instruction data is made.

The smallest config is

    sources:
      - {name: wiki, path: wiki.jsonl, format: jsonl, text_field: text, language: kk, licence: CC-BY-SA-4.0}
    out: out/wiki
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from qaz_llm.config import LanguageCode, LanguageOrAuto, StrictModel

SourceFormat = Literal["auto", "jsonl", "parquet", "csv", "tsv", "text", "tmx", "wikipedia", "hub"]
ConversationKind = Literal["chat", "parallel", "classification", "qa"]
LicenceRule = Literal["allow", "refuse"]


class SourceConfig(StrictModel):
    """One source of documents."""

    name: str = Field(pattern=r"^[\w.-]+$")
    path: str
    """A file, a glob or a folder (all files below it); `embedded:NAME`; for `hub` the name of a data set."""
    format: SourceFormat = "auto"
    text_field: str = "text"
    """The field, column or (in TMX) language code that holds the text."""
    id_field: str | None = None
    url_field: str | None = None
    language: LanguageOrAuto = "auto"
    """What the source says of itself; each document is identified all the same, and a clear answer wins."""
    licence: str = "unknown"
    """An SPDX identifier where there is one; `unknown` is written as LicenseRef-unknown."""
    rows_per_document: int = Field(default=1, ge=1)
    """Join so many consecutive rows, with line breaks, into one document: for files of single sentences."""
    max_document_words: int | None = Field(default=None, ge=20)
    """Split longer texts (books) at paragraph or sentence ends into documents of at most so many words."""
    max_documents: int | None = Field(default=None, ge=1)
    max_bytes: int | None = Field(default=None, ge=1)
    """Stop reading this source after so many UTF-8 bytes of text."""
    detokenise: bool = False
    """Undo the spaces around punctuation of word-tokenised text."""
    hub_subset: str | None = None
    hub_split: str = "train"


class ThresholdOverrides(StrictModel):
    """Values in place of a preset's; see filters.Thresholds for what each means. None keeps the preset's."""

    min_words: int | None = None
    max_words: int | None = None
    min_mean_word_length: float | None = None
    max_mean_word_length: float | None = None
    min_alpha_words_frac: float | None = None
    max_digit_frac: float | None = None
    max_symbol_frac: float | None = None
    max_ellipsis_lines_frac: float | None = None
    max_bullet_lines_frac: float | None = None
    max_short_lines_frac: float | None = None
    min_function_words_frac: float | None = None
    max_duplicate_lines_frac: float | None = None
    max_top_ngram_frac: float | None = None
    max_duplicate_ngrams_frac: float | None = None
    max_boilerplate_frac: float | None = None
    max_replacement_frac: float | None = None


class FilterConfig(StrictModel):
    """Quality rules. `preset: none` keeps everything that has text."""

    preset: Literal["qaz", "none"] = "qaz"
    kk: ThresholdOverrides = ThresholdOverrides()
    ru: ThresholdOverrides = ThresholdOverrides()
    en: ThresholdOverrides = ThresholdOverrides()

    def overrides(self, language: str) -> Mapping[str, float]:
        """The values set for a language."""
        chosen: ThresholdOverrides | None = {"kk": self.kk, "ru": self.ru, "en": self.en}.get(language)
        return chosen.model_dump(exclude_none=True) if chosen is not None else {}


class DedupConfig(StrictModel):
    """Duplicates across all sources.

    Pairs are proposed where all `rows` hashes of one of `bands` bands agree, which finds a pair of Jaccard s with
    probability 1 - (1 - s^rows)^bands: for 20 × 6 that is .98 at .75 and .998 at .8. Each is then verified exactly.
    """

    exact: bool = True
    near: bool = True
    shingle_words: int = Field(default=5, ge=1)
    min_jaccard: float = Field(default=0.75, gt=0, le=1)
    bands: int = Field(default=20, ge=1)
    rows: int = Field(default=6, ge=1)
    lines: bool = True
    line_min_words: int = Field(default=4, ge=1)
    line_max_documents: int = Field(default=4, ge=1)
    """A line that more documents than this have in common stays in the first of them only."""


class PiiConfig(StrictModel):
    """Personal data: what is replaced by a placeholder such as <PHONE>."""

    enabled: bool = True
    types: tuple[Literal["iin", "bin", "iban", "card", "phone", "email", "ip", "plate", "id_number"], ...] = (
        "iin",
        "bin",
        "iban",
        "card",
        "phone",
        "email",
        "ip",
        "plate",
        "id_number",
    )


class DecontaminateConfig(StrictModel):
    """Evaluation items that no training text may hold.

    Kazakh puts into ten words what English says in thirteen, so ten is the length of the n-grams compared.
    """

    paths: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    """Only these fields of the items; by default every string in a row."""
    ngram_words: int = Field(default=10, ge=3)
    min_item_words: int = Field(default=6, ge=1)
    """Items shorter than ngram_words are looked for whole; below this many words they are too common to mean anything."""


class LanguagePolicy(StrictModel):
    """Which documents are kept by language."""

    keep: tuple[LanguageCode, ...] = ("kk", "ru", "en")
    min_kept_frac: float = Field(default=0.65, ge=0, le=1)
    """At least this share of a document's text has to be in the languages kept; mixed kk/ru text is kept."""
    convert_scripts: bool = True
    """Bring Kazakh in Latin and Arabic script to Cyrillic; otherwise it is dropped as `script`."""


class LicencePolicy(StrictModel):
    """Which licences may enter. A refused source is not read."""

    non_commercial: LicenceRule = "allow"
    share_alike: LicenceRule = "allow"
    no_derivatives: LicenceRule = "allow"
    unknown: LicenceRule = "allow"
    refuse: tuple[str, ...] = ()


class ConversationSourceConfig(StrictModel):
    """A source of instruction data and how it becomes dialogues.

    Fields by kind: `chat`: messages_field (OpenAI or ShareGPT turns) or question/answer fields (Alpaca);
    `parallel`: `texts` maps a language to its field, every pair both ways; `classification`: text_field, label_field;
    `qa`: question_field, answer_field, context_field.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    path: str
    kind: ConversationKind
    language: LanguageOrAuto = "auto"
    licence: str = "unknown"
    id_field: str | None = None
    messages_field: str = "messages"
    texts: Mapping[LanguageCode, str] = {}
    text_field: str = "text"
    label_field: str = "category"
    labels: Mapping[str, Mapping[LanguageCode, str]] = {}
    """How a label is written in a language; labels that are not named are written as they are."""
    question_field: str = "question"
    answer_field: str = "answer"
    context_field: str | None = None
    score_field: str | None = None
    min_score: float = 0.0
    min_words: int = Field(default=1, ge=1)
    """Of each side of a pair."""
    max_length_ratio: float = Field(default=2.5, gt=1)
    """Pairs in which one side has this many times the letters of the other are misaligned."""
    max_items: int | None = Field(default=None, ge=1)
    detokenise: bool = False

    @model_validator(mode="after")
    def _fields_of_kind(self) -> ConversationSourceConfig:
        if self.kind == "parallel" and len(self.texts) < 2:
            raise ValueError(
                "a parallel source names the field of each language, for instance texts: {kk: kk, ru: ru};"
                f" {len(self.texts)} given"
            )
        return self


class DataConfig(StrictModel):
    """A data build: sources in, cleaned shards out."""

    out: Path = Field(default=Path("out/data"), validate_default=False)
    root: Path | None = None
    """Folder that relative source paths start at; without it the current folder, then $QAZ_CORPUS_DIR."""
    seed: int = 0
    workers: int = Field(default=1, ge=1)
    """Processes; the output does not depend on their number."""
    shard_bytes: int = Field(default=256 << 20, ge=1024)
    on_bad_row: Literal["drop", "stop"] = "drop"
    """A row that cannot be read (no JSON, not UTF-8) is counted and dropped, or ends the build."""
    sources: tuple[SourceConfig, ...]
    languages: LanguagePolicy = LanguagePolicy()
    filters: FilterConfig = FilterConfig()
    pii: PiiConfig = PiiConfig()
    dedup: DedupConfig = DedupConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    licences: LicencePolicy = LicencePolicy()
    conversations: tuple[ConversationSourceConfig, ...] = ()

    @model_validator(mode="after")
    def _sources_are_there_and_told_apart(self) -> DataConfig:
        if not self.sources:
            raise ValueError("sources: at least one is needed, for instance {name: wiki, path: wiki.jsonl}")
        for kind, names in (
            ("sources", [source.name for source in self.sources]),
            ("conversations", [source.name for source in self.conversations]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"{kind}: the name {twice[0]!r} is given to two sources; names tell them apart")
        return self
