"""What a file is and how it is read: its format, and of text the encoding, the signs between columns, what one row is.

    shape_of(Path("a.csv"), source)   →   csv in cp1251 (recognised), a semicolon between columns

Whatever is not said in the config is found out here, in one place, from the beginning of the file, so that every part of a
file, the dry run and the manifest say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers.dialects import Dialect, header_of, sniff_dialect
from qaz_llm.data.readers.encodings import TextForm, form_of, read_sample
from qaz_llm.data.readers.json_values import is_over_lines
from qaz_llm.errors import InputError
from qaz_llm.io import file_format

FORMAT_BY_SUFFIX: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "text",
    ".text": "text",
    ".tmx": "tmx",
    ".xml": "wikipedia",
}
COUNTING = frozenset({"acts", "tmx", "wikipedia"})
"""Formats whose readers take markup away and count what went, under `rows.REMOVED`."""
TEXT_FORMATS = frozenset({"jsonl", "csv", "tsv", "text", "moses"})
"""Formats whose encoding is looked for. XML says its own, Parquet has none."""

_UNPACK_FIRST: Mapping[str, str] = {
    ".zip": "unzip",
    ".rar": "unrar x",
    ".7z": "7z x",
    ".tar": "tar -xf",
    ".tgz": "tar -xf",
}
_ROWS: Mapping[str, str] = {
    "auto": "line",
    "line": "line",
    "lines": "line",
    "paragraph": "paragraph",
    "paragraphs": "paragraph",
    "file": "file",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How one file is read."""

    format: str
    form: TextForm = field(default_factory=TextForm)
    dialect: Dialect | None = None
    columns: tuple[str, ...] = ()
    """Of a table: what its first row, or the config, calls the columns."""
    unit: str = "line"
    """What one row of plain text is: a line, a paragraph, or the file."""
    is_over_lines: bool = False
    """JSON that is a list or goes over several lines, which is read from end to end."""

    @property
    def is_cut_at_lines(self) -> bool:
        """Whether parts of it can be read apart."""
        by_lines = self.dialect.is_by_lines if self.dialect is not None else not self.is_over_lines
        return by_lines and self.unit != "file" and self.form.is_one_byte_wide

    @property
    def encoding(self) -> str | None:
        """The encoding as the manifest names it; None for formats that have none, or say their own."""
        return str(self.form) if self.format in TEXT_FORMATS else None

    def __str__(self) -> str:
        """As the dry run says it.

        >>> str(Shape("csv", TextForm("cp1251", is_guess=True), Dialect(";")))
        'csv in cp1251 (recognised), a semicolon between columns'
        """
        encoding = f" in {self.encoding}" if self.encoding is not None else ""
        if self.dialect is not None:
            return f"{self.format}{encoding}, {self.dialect}"
        if self.format == "text":
            return f"text{encoding}, {'a document per file' if self.unit == 'file' else f'a row per {self.unit}'}"
        return f"{'json' if self.is_over_lines else self.format}{encoding}"


def format_of(path: Path, source: SourceConfig) -> str:
    """The format of a file: what the config says, or what its suffix says. Raises InputError where neither does."""
    if source.format not in ("auto", "hub"):
        return source.format
    suffix = file_format(path)
    if suffix in _UNPACK_FIRST:
        raise InputError(
            f"{path}: archives of several files are not read",
            hint=f"unpack it and name the files or the folder: {_UNPACK_FIRST[suffix]} {path.name}",
        )
    if suffix not in FORMAT_BY_SUFFIX:
        raise InputError(
            f"{path}: the format of {suffix or 'a file without suffix'} is not known",
            hint=f"give it an ending that says it ({', '.join(sorted(FORMAT_BY_SUFFIX))}); in a source, format: does as well",
        )
    return FORMAT_BY_SUFFIX[suffix]


def shape_of(path: Path, source: SourceConfig) -> Shape:
    """How a file of a source is read. Raises InputError where it is absent, or no file of that format."""
    kind = format_of(path, source)
    if kind not in TEXT_FORMATS:
        return Shape(kind)
    form = form_of(path, source.encoding)
    match kind:
        case "csv" | "tsv":
            sample = _sample_of(path, form)
            dialect = sniff_dialect(sample, kind, source.columns, source.delimiter)
            return Shape(kind, form, dialect, source.columns or header_of(sample, dialect))
        case "jsonl":
            return Shape(kind, form, is_over_lines=is_over_lines(path, _sample_of(path, form)))
        case "text":
            return Shape(kind, form, unit=_ROWS[source.rows])
    return Shape(kind, form)


def _sample_of(path: Path, form: TextForm) -> str:
    text = read_sample(path).decode(form.encoding, "replace")
    return text.replace("\r", "\n") if form.has_cr_ends else text
