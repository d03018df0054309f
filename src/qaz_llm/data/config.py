"""What a data build is told: sources, how they are cleaned, and what instruction data is made.

The smallest config is

    sources:
      - {name: wiki, path: wiki.jsonl, format: jsonl, text_field: text, language: kk, licence: CC-BY-SA-4.0}
    out: out/wiki
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from qaz_llm.config import LanguageCode, LanguageOrAuto, StrictModel

SourceFormat = Literal["auto", "jsonl", "parquet", "csv", "tsv", "text", "moses", "tmx", "wikipedia", "acts", "hub"]
ConversationKind = Literal["chat", "parallel", "classification", "qa", "continuation"]
LicenceRule = Literal["allow", "refuse"]
LabelledPolicy = Literal["drop", "keep", "mark"]


def _known_encoding(encoding: str | None) -> str | None:
    try:
        if encoding is not None:
            "a".encode(encoding)  # rot13 and hex are codecs too, but none of text
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"{encoding!r} is no encoding of text; for instance utf-8, cp1251, kz1048, utf-16") from error
    return encoding


def _known_pattern(pattern: str | None) -> str | None:
    try:
        if pattern is not None and re.compile(pattern).match("") is not None:
            raise ValueError(f"{pattern!r} matches a line without a word, so every line would begin a document")
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


Pattern = Annotated[str | None, AfterValidator(_known_pattern)]
Encoding = Annotated[str | None, AfterValidator(_known_encoding)]


class SourceConfig(StrictModel):
    """One source of documents."""

    name: str = Field(pattern=r"^[\w.-]+$")
    """How the manifest, the reports and the ids of documents call it: letters, digits, `_`, `.`, `-`."""
    path: str
    """A file, a glob or a folder (all files below it); `embedded:NAME`.

    For `hub` the name of a data set, or a local copy of one: a folder, looked for where other paths are. For `moses` the
    file of the first language in `texts`."""
    format: SourceFormat = "auto"
    """`auto` goes by the ending of the file's name."""
    text_field: str = "text"
    """The field, column or (in TMX) language code that holds the text; `a.b` goes down into nested objects."""
    texts: Mapping[LanguageCode, str] = {}
    """Parallel rows, in place of text_field: the field of each language. Their texts become lines one after another, in this
    order, and `rows_per_document` rows make one bilingual document. For `moses` the endings of the files, `{kk: kk, ru: ru}`."""
    id_field: str | None = None
    """The field with a row's own id; without it documents are numbered by file and row. A second row with an id and the
    same words is dropped as `duplicate_id`; with other words it is kept, and its file and row are added to its id."""
    url_field: str | None = None
    """The field with the address that a text comes from."""
    licence_field: str | None = None
    """A field with each row's own licence; `licence` holds for rows that have none."""
    opt_out_field: str | None = None
    """A field by which a row says itself that it may not be learned from (`tdm-reservation: 1`, `noai`): anything but null, false, 0
    and words for no drops it as `opted_out`, its text is written nowhere."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a CSV or TSV file that has no header line."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """The sign between the columns of a CSV or TSV file; found out from its first rows where it is not given."""
    encoding: Encoding = None
    """The encoding of text, CSV, TSV and JSONL, as Python calls it: utf-8, cp1251, kz1048, utf-16. Recognised where it is not
    given; the dry run and the manifest say what was found."""
    rows: Literal["auto", "file", "line", "paragraph", "lines", "paragraphs"] = "auto"
    """What one row of plain text is: the whole file, a line, or all lines up to a blank one (CC-100). `auto` is `file` where
    the path leads to several files, and `line` where it leads to one. The plurals mean the same."""
    max_bad_rows_frac: float = Field(default=0.5, ge=0, le=1)
    """Where a larger share of a file's rows cannot be read, or has no text, the build stops and says how the file was read;
    fewer are dropped and counted. 1 never stops it."""
    language: LanguageOrAuto = "auto"
    """What the source says of itself; each document is identified all the same, and a clear answer wins."""
    licence: str = "unknown"
    """An SPDX identifier where there is one; `unknown` is written as LicenseRef-unknown."""
    citation: str | None = None
    """What the makers of the source ask to be cited, as plain text or BibTeX."""
    homepage: str | None = None
    """Where people find the source."""
    rows_per_document: int = Field(default=1, ge=1)
    """Join so many consecutive rows, with line breaks, into one document: for files of single sentences."""
    max_document_words: int | None = Field(default=None, ge=20)
    """Split longer texts (books) at paragraph or sentence ends into documents of at most so many words."""
    split_at: Pattern = None
    """A regular expression: a line that begins so begins a document, and none is cut, for instance an article of a law:
    `(Статья|Бап)\\s*\\d|\\d+(-\\d+)*-бап`. With max_document_words documents that follow each other are joined up to so many
    words; a longer one stays whole."""
    max_documents: int | None = Field(default=None, ge=1)
    """Stop reading this source after so many documents."""
    max_bytes: int | None = Field(default=None, ge=1)
    """Stop reading this source after so many UTF-8 bytes of text."""
    detokenise: bool = False
    """Undo the spaces around punctuation of word-tokenised text."""
    hub_subset: str | None = None
    """For `hub`: the configuration of the data set."""
    hub_split: str = "train"
    """For `hub`: the split that is read."""
    hub_files: tuple[str, ...] = ()
    """Globs of the files within the data set's repository: they are read in parts from a local copy, and streamed otherwise."""
    part_bytes: int = Field(default=128 << 20, ge=1)
    """Larger files are read in parts of about this size, where their format allows; documents do not depend on it."""
    on_damaged_file: Literal["stop", "keep_read"] = "stop"
    """An archive that ends too early or cannot be read stops the build, or what was read before the damage is kept and the
    file is counted as dropped, with the reason `damaged_file`."""

    @model_validator(mode="after")
    def _fields_of_format(self) -> SourceConfig:
        if len(self.texts) == 1 or (self.format == "moses" and not self.texts):
            raise ValueError("texts names the field of each of two or more languages, for instance {kk: kk, ru: ru}")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns: two columns have the same name")
        if self.delimiter in ('"', "\n", "\r"):
            raise ValueError("delimiter: a quote or a line end cannot part columns")
        return self


class ThresholdOverrides(StrictModel):
    """Values in place of a preset's; see filters.Thresholds for what each means. None keeps the preset's."""

    min_words: int | None = None
    """Fewest words of a document."""
    max_words: int | None = None
    """Most words of a document."""
    min_mean_word_length: float | None = None
    """Shortest mean length of its words, in letters."""
    max_mean_word_length: float | None = None
    """Longest mean length of its words, in letters."""
    min_alpha_words_frac: float | None = None
    """Smallest share of the pieces between white space that have a letter."""
    max_digit_frac: float | None = None
    """Largest share of digits among the characters that are no white space."""
    max_symbol_frac: float | None = None
    """Largest share of the characters # { } < > ^ ~ _ = * @, bars, backslashes and box drawing."""
    max_ellipsis_lines_frac: float | None = None
    """Largest share of lines that end in dots."""
    max_bullet_lines_frac: float | None = None
    """Largest share of lines that begin with a bullet."""
    max_short_lines_frac: float | None = None
    """Largest share of lines of at most three words without an end of sentence."""
    min_function_words_frac: float | None = None
    """Smallest share of function words, which running text is full of."""
    max_words_per_sentence: float | None = None
    """Most words for each sentence; lines of four words and more count as sentences."""
    max_duplicate_lines_frac: float | None = None
    """Largest share of letters in lines that came before in the document."""
    max_top_ngram_frac: float | None = None
    """Largest share of letters in the commonest three words in a row."""
    max_duplicate_ngrams_frac: float | None = None
    """Largest share of letters in runs of five words that came before in the document."""
    max_boilerplate_frac: float | None = None
    """Largest share of words in lines of page furniture."""
    max_replacement_frac: float | None = None
    """Largest share of U+FFFD, which stands for lost bytes."""


class FilterConfig(StrictModel):
    """Quality rules: ours (`qaz`), FineWeb-2's to the letter for Kazakh and Russian with ours for the rest (`fineweb2`), or
    `none`, which keeps everything that has text."""

    preset: Literal["qaz", "fineweb2", "none"] = "qaz"
    """Which rules judge the quality of a document."""
    kk: ThresholdOverrides = ThresholdOverrides()
    """Thresholds for Kazakh in place of the preset's."""
    ru: ThresholdOverrides = ThresholdOverrides()
    """Thresholds for Russian in place of the preset's."""
    en: ThresholdOverrides = ThresholdOverrides()
    """Thresholds for English in place of the preset's."""

    def overrides(self, language: str) -> Mapping[str, float]:
        """The values set for a language."""
        chosen: ThresholdOverrides | None = {"kk": self.kk, "ru": self.ru, "en": self.en}.get(language)
        return chosen.model_dump(exclude_none=True) if chosen is not None else {}

    @model_validator(mode="after")
    def _fineweb2_is_as_it_is(self) -> FilterConfig:
        if self.preset == "fineweb2":
            for language in ("kk", "ru"):
                set_here = sorted(self.overrides(language).keys() - {"max_boilerplate_frac"})
                if set_here:
                    raise ValueError(
                        f"{language}.{set_here[0]}: preset fineweb2 has FineWeb-2's own rules for {language}, which this"
                        " value is none of; preset qaz takes thresholds"
                    )
        return self


class DedupConfig(StrictModel):
    """Duplicates across all sources.

    Pairs are proposed where all `rows` hashes of one of `bands` bands agree, which finds a pair of Jaccard s with
    probability 1 - (1 - s^rows)^bands: for 24 × 5 that is .998 at .75 and .9999 at .8. Each is then verified exactly.
    """

    exact: bool = True
    """Drop documents whose words are those of another."""
    near: bool = True
    """Drop documents that are nearly another."""
    shingle_words: int = Field(default=5, ge=1)
    """Documents are compared by their runs of so many words."""
    min_jaccard: float = Field(default=0.75, gt=0, le=1)
    """Runs in common over runs of both from which on two documents are near duplicates."""
    bands: int = Field(default=24, ge=1)
    """Bands of hashes by which pairs are proposed."""
    rows: int = Field(default=5, ge=1)
    """Hashes in a band."""
    lines: bool = True
    """Lines and paragraphs that many documents share."""
    line_min_words: int = Field(default=4, ge=1)
    """Shorter lines are not looked at."""
    line_max_documents: int = Field(default=4, ge=1)
    """A line that more documents than this have in common stays in the first of them only."""


class PiiConfig(StrictModel):
    """Personal data: what is replaced by a placeholder such as <PHONE>."""

    enabled: bool = True
    """Replace personal data; samples of dropped documents are shown without it either way."""
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
    """The kinds that are replaced."""


class DecontaminateConfig(StrictModel):
    """Evaluation items that no training text may hold.

    Kazakh puts into ten words what English says in thirteen, so ten is the length of the n-grams compared.
    """

    shipped: bool = True
    """Look for the evaluation items that come with the project, too."""
    paths: tuple[str, ...] = ()
    """Files of items: paths, globs or folders."""
    fields: tuple[str, ...] | None = None
    """Only these fields of the items; by default every string in a row."""
    ngram_words: int = Field(default=10, ge=3)
    """A document that shares a run of so many words with an item is dropped."""
    min_item_words: int = Field(default=6, ge=1)
    """Items shorter than ngram_words are looked for whole; below this many words they are too common to mean anything."""


class LanguagePolicy(StrictModel):
    """Which documents are kept by language."""

    keep: tuple[LanguageCode, ...] = ("kk", "ru", "en")
    """Languages that stay."""
    min_kept_frac: float = Field(default=0.65, ge=0, le=1)
    """At least this share of a document's text has to be in the languages kept; mixed kk/ru text is kept."""
    convert_scripts: bool = True
    """Bring Kazakh in Latin and Arabic script to Cyrillic; otherwise it is dropped as `script`."""
    mixed: Literal["keep", "split"] = "keep"
    """Documents mixed of kk, ru and en stay whole, or become one document for each run of sentences in one language."""
    model: str | None = None
    """A language model in fastText's format (lid.176.ftz, GlotLID's model.bin), asked of doubtful pieces in the place of
    py3langid. Needs the extra `fasttext`."""


class LicencePolicy(StrictModel):
    """Which licences may enter. A refused source is not read."""

    non_commercial: LicenceRule = "allow"
    """Licences that forbid commercial use."""
    share_alike: LicenceRule = "allow"
    """Licences that ask for the same licence for what is made from the text."""
    no_derivatives: LicenceRule = "allow"
    """Licences that forbid passing on changed versions, which cleaned text is."""
    unknown: LicenceRule = "allow"
    """Licences that nobody states, or that are not understood."""
    refuse: tuple[str, ...] = ()
    """Single licences that are refused, by SPDX identifier."""


class ConversationSourceConfig(StrictModel):
    """A source of instruction data and how it becomes dialogues.

    Fields by kind: `chat`: messages_field (OpenAI or ShareGPT turns), or instruction/output, prompt/response or question_field
    and answer_field (Alpaca and the like); `parallel`: `texts` maps a language to its field, every pair both ways;
    `classification`: text_field, label_field; `qa`: question_field, answer_field, context_field, or SQuAD's nested form;
    `continuation`: text_field.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    """What the manifest and the ids of conversations call this source."""
    path: str
    """A file, a glob or a folder (all files below it); `embedded:NAME`; for `hub` the name of a data set or a local copy."""
    kind: ConversationKind
    """What its rows are: ready dialogues (`chat`), translations (`parallel`), labelled texts (`classification`), questions
    with answers (`qa`), or plain texts, of which the beginning is given and the rest is the answer (`continuation`)."""
    format: SourceFormat = "auto"
    """The format of its files; `auto` goes by their suffix."""
    language: LanguageOrAuto = "auto"
    """The language of its dialogues; `auto` takes the row's `language`, or what the text is in."""
    licence: str = "unknown"
    """An SPDX identifier where there is one; `unknown` is written as LicenseRef-unknown."""
    licence_field: str | None = None
    """A field with each row's own licence; `licence` holds for rows that have none."""
    citation: str | None = None
    """What the makers of the source ask to be cited, as plain text or BibTeX."""
    homepage: str | None = None
    """Where the source is described; the data card links it."""
    id_field: str | None = None
    """A field that names each row, in all files alike: a row with the id and the content of an earlier one is dropped as
    `duplicate_id`. Without it a field `id` is a label that tells rows of one file apart, and drops nothing."""
    messages_field: str = "messages"
    """Of `chat`: the field with the list of turns. Where it is not there, the usual names of such fields are looked for."""
    texts: Mapping[LanguageCode, str] = {}
    """Of `parallel`: the field of each language, for instance {kk: kk, ru: ru}. For `moses` the endings of the files."""
    text_field: str = "text"
    """Of `classification` and `continuation`: the field with the text."""
    label_field: str = "category"
    """Of `classification`: the field with the label."""
    labels: Mapping[str, Mapping[LanguageCode, str]] = {}
    """How a label is written in a language; labels that are not named are written as they are."""
    asks: Literal["topic", "rating", "polarity"] = "topic"
    """What a classification's labels say of a text: what it is about, how many points it gives, praise or blame."""
    question_field: str = "question"
    """Of `qa`, and of `chat` in pairs: the field with the question."""
    answer_field: str = "answer"
    """Of `qa`, and of `chat` in pairs: the field with the answer; a list of answers gives its first."""
    context_field: str | None = None
    """Of `qa`: the field with the text that the question is about."""
    score_field: str | None = None
    """Of `parallel`: a field that says how good a pair is."""
    min_score: float = 0.0
    """Pairs with a lower score, or with none, are dropped as `low_score`."""
    min_words: int = Field(default=1, ge=1)
    """Of each side of a pair; of `continuation`, of what is given and of the rest."""
    max_words: int = Field(default=6000, ge=1)
    """Of all turns together; what is longer (`too_long`) would be cut in the middle of an answer. Of `continuation`: of the text, from
    which as many whole sentences are taken as fit."""
    max_length_ratio: float = Field(default=2.5, gt=1)
    """Pairs in which one side has this many times the letters of the other are misaligned."""
    max_items: int | None = Field(default=None, ge=1)
    """Take no more than so many dialogues, drawn by the seed; the others are not counted, as if the file ended."""
    detokenise: bool = False
    """Undo the spaces around punctuation of word-tokenised text."""
    mnemonics: bool = False
    """Take the marks of keyboard shortcuts out of menu texts: `_Файл`, `Опреде_лить`, `&File`."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a CSV or TSV file that has no header line."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """The sign between the columns of a CSV or TSV file; found out from its first rows where it is not given."""
    encoding: Encoding = None
    """The encoding of text, CSV, TSV and JSONL, as Python calls it; recognised where it is not given."""
    hub_subset: str | None = None
    """The subset (configuration) of a data set of the hub."""
    hub_split: str = "train"
    """The split of a data set of the hub."""

    @model_validator(mode="after")
    def _fields_of_kind(self) -> ConversationSourceConfig:
        if self.kind == "parallel" and len(self.texts) < 2:
            raise ValueError(
                "a parallel source names the field of each language, for instance texts: {kk: kk, ru: ru};"
                f" {len(self.texts)} given"
            )
        return self


class MixConfig(StrictModel):
    """What a training run sees of a corpus: shares in tokens by language and, inside a language, by source.

    The plan that follows from it is printed by `qaz data mix CONFIG` and at the start of a run; docs/mixing.md works through
    an example.
    """

    corpus: str
    """The folder of a data build, or a glob of shards."""
    languages: Mapping[LanguageCode, Annotated[float, Field(ge=0)]] = {}
    """Weight of each language in tokens; one that is not named is left out. Empty: by size and temperature."""
    replay_frac: float | None = Field(default=None, ge=0, lt=1)
    """Share of all tokens that is not Kazakh; `languages` then says how the others share it."""
    sources: Mapping[LanguageCode, Mapping[str, Annotated[float, Field(ge=0)]]] = {}
    """Weight in tokens of each source of a language, 0 to leave one out. A language that is not named: by size and
    temperature."""
    temperature: float = Field(default=1.0, gt=0)
    """Where no weights are given, a share is size to the power 1/temperature: 1 keeps the sizes, larger evens them out."""
    total_tokens: int | None = Field(default=None, gt=0)
    """null: as many as there are while all weights hold and no source exceeds max_passes."""
    max_passes: float = Field(default=4.0, gt=0)
    """How often one text may be repeated; see mix.DEFAULT_MAX_PASSES for why 4."""
    sliver_frac: float = Field(default=0.02, ge=0, lt=1)
    """Without total_tokens: a language or source with less than this part of the text of the main one (that of the largest
    weight) does not end the mix before half of the main text is read once. It is read max_passes times, the others make up
    for it, and the plan says so. 0: weights always hold."""
    min_quality: float | None = None
    """Leave out documents whose `meta.quality` is below this."""
    best_frac: float = Field(default=1.0, gt=0, le=1)
    """Take of each source only its best documents by `meta.quality`, so many that they hold this share of its bytes."""
    tokenizer: str | None = None
    """Folder or hub id, for `qaz data mix`; without it tokens are estimated from bytes. A run counts with its own."""

    @model_validator(mode="after")
    def _weights_agree(self) -> MixConfig:
        if self.replay_frac is not None and "kk" in self.languages:
            raise ValueError("replay_frac sets the share of Kazakh; leave kk out of languages, or replay_frac out")
        if self.languages and not any(self.languages.values()):
            raise ValueError("languages: at least one weight has to be above 0")
        return self


class OptOutConfig(StrictModel):
    """Addresses that holders of rights have closed to training, machine-readably (article 23 of law 230-VIII lets them)."""

    lists: tuple[str, ...] = ()
    """Text files of hosts (`example.kz`, which closes all below it) and beginnings of addresses (`example.kz/blog/`), one a line. Rows
    of documents whose `url_field` is closed are dropped as `opted_out`, their text is written nowhere; rows without an address are counted.
    Conversations have no addresses."""


class DataConfig(StrictModel):
    """A data build: sources in, cleaned shards out."""

    out: Path = Field(default=Path("out/data"), validate_default=False)
    """Where the build goes."""
    root: Path | None = None
    """Folder that relative source paths start at; without it the current folder, then $QAZ_CORPUS_DIR."""
    seed: int = 0
    """Of everything drawn: wordings, dialogues under `max_items`, MinHash."""
    workers: int = Field(default=1, ge=1)
    """Processes; the output does not depend on their number."""
    work: Path | None = None
    """Folder for cleaned parts and what duplicate search compares. Named here it is kept, and a later build with the same
    rules, of more sources perhaps, takes from it what is done; otherwise it lies in `out` and is removed in the end."""
    memory_gb: float = Field(default=8.0, gt=0)
    """What the search for duplicates may take; what does not fit is grouped on disk."""
    shard_bytes: int = Field(default=256 << 20, ge=1024)
    """Size of a shard before compression."""
    on_bad_row: Literal["drop", "stop"] = "drop"
    """A row that cannot be read (no JSON, not UTF-8) is counted and dropped, or ends the build."""
    sources: tuple[SourceConfig, ...] = ()
    """Sources of documents; none where the build makes conversations alone."""
    opt_outs: OptOutConfig = OptOutConfig()
    """What holders of rights have closed to training."""
    labelled: LabelledPolicy = "drop"
    """Documents and dialogues with a label of machine-made text in them (C2PA 2.4, A.8), seen before repair: dropped as
    `labelled`; kept; or kept with `meta.machine_made: true`, of a dialogue with `machine_made: true`. Counted either way; the label itself never stays.
    Text without a label may be machine-made all the same."""
    languages: LanguagePolicy = LanguagePolicy()
    """Which documents are kept by language."""
    filters: FilterConfig = FilterConfig()
    """Which documents are kept by quality."""
    pii: PiiConfig = PiiConfig()
    """Personal data."""
    dedup: DedupConfig = DedupConfig()
    """Duplicates."""
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    """Evaluation items that no training text may hold."""
    licences: LicencePolicy = LicencePolicy()
    """Which licences may enter."""
    conversations: tuple[ConversationSourceConfig, ...] = ()
    """The sources of dialogues."""

    @model_validator(mode="after")
    def _sources_are_there_and_told_apart(self) -> DataConfig:
        if not self.sources and not self.conversations:
            raise ValueError(
                "sources: at least one is needed, for instance {name: wiki, path: wiki.jsonl}, or one of conversations"
            )
        for kind, names in (
            ("sources", [source.name for source in self.sources]),
            ("conversations", [source.name for source in self.conversations]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"{kind}: the name {twice[0]!r} is given to two sources; names tell them apart")
        return self
