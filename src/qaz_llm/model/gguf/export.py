"""`qaz export --to gguf`: converted under another name, compared, and only then given its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.errors import InputError, WorkError
from qaz_llm.installed import how_to_install
from qaz_llm.io import atomic_path, check_output_file, check_writable, read_json
from qaz_llm.model.export import name_of, whole_folder
from qaz_llm.model.gguf.check import Check, compare_with_llama
from qaz_llm.model.gguf.convert import Precision, check_convertible, convert, precision_of
from qaz_llm.model.gguf.llama import has_llama
from qaz_llm.model.gguf.stops import read_stops
from qaz_llm.model.gguf.texts import ARABIC, LATIN, check_texts
from qaz_llm.model.gguf.vocabulary import vocabulary_of
from qaz_llm.model.gguf.weights import compare_weights
from qaz_llm.progress import get_logger

_logger = get_logger("model")

SUFFIX = ".gguf"
PROMPTS = (
    "Қазақстан — Орталық Азиядағы мемлекет. Астанасы — Астана қаласы.",
    "Әжем «Ұлым, үйге кел!» деді; һәм, өкінішке қарай, ештеңе айтпадым…",
    "Привет, как дела? Сегодня хорошая погода.",
    "Hello, how are you today?  Two  spaces, 1234567 and a\nnew line.",
    LATIN[0],
    ARABIC[0],
)


@dataclass(frozen=True)
class GgufFile:
    """A file that was written, with what was and was not seen of it."""

    path: Path
    precision: str
    pre: str
    checks: tuple[Check, ...]

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What could not be looked at, and why."""
        return tuple(check.said for check in self.checks if check.passed is None)


def export_gguf(
    source: Path,
    out: Path,
    *,
    precision: Precision = "auto",
    base: str | None = None,
    texts: Sequence[str] = (),
) -> GgufFile:
    """Write a model, an adapter merged into its base, or a run's model as one GGUF file.

    `out` is the file, or a folder that gets one of the model's name; `texts` are compared beside our own.

    Raises:
        InputError: the model, its tokenizer or its end tokens have no faithful form in GGUF, or the converter is missing.
        WorkError: the converter failed, or what llama.cpp or transformers reads from the file is not the model; no file is left.
    """
    if out.suffix == SUFFIX:
        check_output_file(out)
    else:
        check_writable(out)
    with whole_folder(source, base, near=out) as folder:
        check_convertible(folder)
        if not (folder / "tokenizer.json").is_file():
            raise InputError(f"{folder}: holds no tokenizer.json", hint="export it first: qaz export DIR OUT")
        vocabulary = vocabulary_of(read_json(folder / "tokenizer.json"), str(folder))
        stops = read_stops(folder)
        kind = precision_of(folder, precision)
        target = out if out.suffix == SUFFIX else out / f"{name_of(source)}-{kind}{SUFFIX}"
        with atomic_path(target) as temporary:
            file = temporary.with_suffix(SUFFIX)  # readers go by the name's end
            try:
                convert(folder, file, precision=kind, vocabulary=vocabulary, stops=stops)
                checks = [compare_weights(folder, file, precision=kind)]
                if has_llama():
                    asked = [*check_texts(composed=vocabulary.is_nfc), *texts]
                    checks += compare_with_llama(
                        folder, file, texts=asked, prompts=PROMPTS, stops=stops, precision=kind
                    )
                else:
                    checks.append(
                        Check(
                            None,
                            f"token ids, likeliest tokens, ends: not compared, no llama.cpp ({how_to_install('gguf')})",
                        )
                    )
                _refuse_failed(target, checks)
                file.replace(temporary)
            finally:
                file.unlink(missing_ok=True)
    if vocabulary.is_nfc:
        checks.append(
            Check(None, "text outside Unicode's form NFC: llama.cpp does not compose it as the tokenizer does")
        )
    return GgufFile(target, kind, vocabulary.pre, tuple(checks))


def _refuse_failed(target: Path, checks: Sequence[Check]) -> None:
    failed = [check.said for check in checks if check.passed is False]
    if failed:
        raise WorkError(
            f"{target}: not written, what is read from it is not the model: {'; '.join(failed)}",
            hint="docs/export.md tells what llama.cpp cannot hold; --to vllm keeps the tokenizer as it is",
        )
