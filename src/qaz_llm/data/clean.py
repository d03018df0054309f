"""What is done to each document alone: repair, script, language, boilerplate, quality, evaluation items, personal data.

The steps come in this order because each stands on the one before: language cannot be told in mojibake, thresholds depend
on the language, and placeholders would hide evaluation items. What needs all documents (duplicates) comes after, in build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from qaz_llm.data.boilerplate import strip_boilerplate
from qaz_llm.data.config import DataConfig
from qaz_llm.data.decontaminate import Decontaminator
from qaz_llm.data.filters import Filter, make_filters, quality_score, thresholds_of
from qaz_llm.data.pii import redact
from qaz_llm.data.sources import PROBLEM
from qaz_llm.language.identify import OTHER, UNDETERMINED, LanguageShares, identify
from qaz_llm.language.repair import repair
from qaz_llm.language.scripts import detect_script, to_cyrillic
from qaz_llm.records import Document, DocumentBatch

SAMPLE_CHARS = 500
"""Of a dropped document's text so much is kept, without personal data, to show what was dropped."""

SURELY_ENGLISH = 0.9
"""Latin text with less than this share of English is tried as Kazakh in Latin script."""

MIXED_BELOW = 0.9
"""Where the main language has less than this share, the shares are written to the document's meta."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A document after all steps, or up to the step that dropped it, which `reason` names."""

    document: Document
    reason: str | None = None
    found_language: str = UNDETERMINED
    repairs: Mapping[str, int] = field(default_factory=dict)
    pii: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cleaner:
    """The chain over batches; pure, so that any process gives the same answer."""

    config: DataConfig
    decontaminator: Decontaminator
    filters: tuple[Filter, ...]

    def __call__(self, batch: DocumentBatch) -> list[Cleaned]:
        cleaned = [self._prepare(document) for document in batch]
        for rule in self.filters:
            cleaned = _apply(rule, cleaned)
        return [self._protect(item) for item in cleaned]

    def _prepare(self, document: Document) -> Cleaned:
        problem = document.meta.get(PROBLEM)
        if problem is not None:
            return Cleaned(replace(document, meta={}), str(problem))
        repaired = repair(document.text)
        document, shares, reason = self._language(replace(document, text=repaired.text))
        repairs = dict(repaired.counts)
        if reason is None:
            stripped = strip_boilerplate(document.text)
            if stripped.lines:
                repairs["boilerplate_lines"] = stripped.lines
                limits = thresholds_of(self.config.filters, document.language)
                if self.config.filters.preset != "none" and stripped.words_frac > limits.max_boilerplate_frac:
                    reason = "boilerplate"
                else:
                    document = replace(document, text=stripped.text)
        return Cleaned(document, reason, shares.main, repairs)

    def _language(self, document: Document) -> tuple[Document, LanguageShares, str | None]:
        """The document with language and script set, its shares, and why it does not stay (None where it does)."""
        policy = self.config.languages
        script = detect_script(document.text)
        shares = identify(document.text)
        if script == "Zyyy":
            return replace(document, script=script), shares, "no_letters" if document.text else "missing_text"
        meta = dict(document.meta)
        if script != "Cyrl" and shares.en < SURELY_ENGLISH:
            conversion = to_cyrillic(document.text)
            if conversion is not None and "kk" in policy.keep:
                if not policy.convert_scripts:
                    return replace(document, script=script, language="kk"), shares, "script"
                meta |= {"original_script": script, "alphabet": conversion.alphabet}
                document = replace(document, text=conversion.text)
                script, shares = "Cyrl", identify(document.text)
        language, reason = _decide(shares, document.language, policy.keep, policy.min_kept_frac)
        if 0 < shares.share(language) < MIXED_BELOW:
            meta["languages"] = {code: round(share, 3) for code, share in shares.detail.items() if share >= 0.01}
        return replace(document, language=language, script=script, meta=meta), shares, reason

    def _protect(self, cleaned: Cleaned) -> Cleaned:
        if cleaned.reason is None and self.decontaminator.hit(cleaned.document.text):
            cleaned = replace(cleaned, reason="contaminated")
        if cleaned.reason is not None:
            return replace(cleaned, document=sample_of(cleaned.document))
        document = cleaned.document
        meta = {**document.meta, "quality": quality_score(document.text, document.language)}
        if not self.config.pii.enabled:
            return replace(cleaned, document=replace(document, meta=meta))
        redacted = redact(document.text, self.config.pii.types)
        return replace(cleaned, document=replace(document, text=redacted.text, meta=meta), pii=redacted.counts)


def _decide(shares: LanguageShares, declared: str, keep: Sequence[str], min_kept_frac: float) -> tuple[str, str | None]:
    """The language a document is filed under, and why it does not stay.

    What the text says wins over what the source says, unless the text says nothing.
    """
    if shares.main == UNDETERMINED:
        return (declared, None) if declared in keep else (UNDETERMINED, "language_unknown")
    if shares.main == "kk-flat":
        return "kk", "kazakh_letters_missing"
    kept = sum(shares.share(language) for language in keep)
    if shares.main in keep and kept >= min_kept_frac:
        return shares.main, None
    return (UNDETERMINED if shares.main == OTHER else shares.main), "other_language"


def _apply(rule: Filter, cleaned: Sequence[Cleaned]) -> list[Cleaned]:
    """The verdicts of a rule on what is still there."""
    places = [index for index, item in enumerate(cleaned) if item.reason is None]
    verdicts = rule([cleaned[index].document for index in places])
    judged = list(cleaned)
    for index, verdict in zip(places, verdicts, strict=True):
        if not verdict.keep:
            judged[index] = replace(cleaned[index], reason=verdict.reason or rule.name)
    return judged


def sample_of(document: Document) -> Document:
    """The document with the beginning of its text only, without personal data whatever the config says."""
    text = redact(document.text[: 2 * SAMPLE_CHARS]).text[:SAMPLE_CHARS]
    return replace(document, text=text.encode("utf-8", "replace").decode())


def make_cleaner(config: DataConfig, decontaminator: Decontaminator) -> Cleaner:
    """The chain that a config asks for."""
    return Cleaner(config, decontaminator, make_filters(config.filters))


def min_words_of(config: DataConfig, language: str) -> int:
    """The fewest words a document of a language may have; 1 where the quality rules are off."""
    return 1 if config.filters.preset == "none" else thresholds_of(config.filters, language).min_words
