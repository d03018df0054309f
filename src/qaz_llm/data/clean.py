"""What is done to documents one batch at a time: repair, script, language, boilerplate, quality, evaluation items, personal data.

The steps come in this order because each stands on the one before: language cannot be told in mojibake, thresholds depend
on the language, and placeholders would hide evaluation items. What needs all documents (duplicates) comes after, in build.

Each step sees the texts of the whole batch that are still there; a document that a step drops keeps its place with a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qaz_llm.data.config import DataConfig
from qaz_llm.data.licences import refusal
from qaz_llm.data.opt_outs import OptOuts, read_opt_outs
from qaz_llm.data.protect.decontaminate import Decontaminator
from qaz_llm.data.protect.pii import redact_addresses, redact_ids, redact_texts
from qaz_llm.data.protect.pii_rules import KINDS
from qaz_llm.data.quality.boilerplate import Stripped, strip_boilerplate, strip_boilerplates
from qaz_llm.data.quality.filters import Filter, make_filters, quality_scores
from qaz_llm.data.quality.rules import DIGITS, KEEP, thresholds_of
from qaz_llm.data.readers import REMOVED
from qaz_llm.data.sources import PROBLEM
from qaz_llm.data.split_languages import split_by_language
from qaz_llm.language.buffer import ScannedTexts, scan_texts
from qaz_llm.language.detectors import Detector, open_model
from qaz_llm.language.identify import OTHER, UNDETERMINED, LanguageShares, identify, identify_texts
from qaz_llm.language.repair import count_flattened, repair_texts
from qaz_llm.language.rescan import rescan
from qaz_llm.language.scripts import detect_scripts, to_cyrillic
from qaz_llm.records import Document, DocumentBatch, Script, Verdict

SAMPLE_CHARS = 500
"""Of a dropped document's text so much is kept, without personal data, to show what was dropped."""

MIXED_BELOW = 0.9
"""Where the main language has less than this share, the shares are written to the document's meta."""

MIXED_FROM = 0.1
"""A document with at least this share of a second language that is kept is mixed, and split where the policy says so."""

BATCH_DOCUMENTS = 512
BATCH_CHARS = 1 << 20


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A document after all steps, or up to the step that dropped it, which the reason of `verdict` names."""

    document: Document
    verdict: Verdict = KEEP
    shares: Mapping[str, float] = field(default_factory=dict)
    """Of a document dropped for its language: the languages found, and how much of the text is in each."""
    found_language: str = UNDETERMINED
    repairs: Mapping[str, int] = field(default_factory=dict)
    pii: Mapping[str, int] = field(default_factory=dict)
    eval_items: tuple[int, ...] = ()
    """The evaluation items, as the decontaminator numbers them, that a document with the reason `contaminated` has text of."""
    is_split: bool = False
    """True for all but the first of the documents that one mixed document was split into."""

    @property
    def reason(self) -> str | None:
        return self.verdict.reason


@dataclass(slots=True)
class _Draft:
    """A document on its way through the steps, each of which changes what it has to: records made anew at every step
    would take a third of the whole time. It does not leave the cleaner."""

    id: str
    text: str
    language: str
    script: Script
    meta: dict[str, Any]
    origin: Document
    url: str | None
    verdict: Verdict = KEEP
    shares: Mapping[str, float] = field(default_factory=dict)
    found_language: str = UNDETERMINED
    repairs: Mapping[str, int] = field(default_factory=dict)
    pii: Mapping[str, int] = field(default_factory=dict)
    eval_items: tuple[int, ...] = ()
    is_split: bool = False

    @property
    def is_there(self) -> bool:
        """Whether no step has dropped it so far."""
        return self.verdict.keep

    def drop(self, reason: str, value: float | str | None = None, limit: float | str | None = None) -> None:
        """Take it out, with what was measured and the limit, where the step measures."""
        self.verdict = Verdict(False, reason, value, limit)

    def document(self, text: str) -> Document:
        source, licence = self.origin.source, self.origin.licence
        done = {name: found for name, found in (("repairs", self.repairs), ("pii", self.pii)) if found}
        meta = {**self.meta, **done} if done else self.meta
        return Document(self.id, text, source, self.language, self.script, licence, self.url, meta)

    def finished(self, text: str) -> Cleaned:
        return Cleaned(
            self.document(text),
            self.verdict,
            self.shares,
            self.found_language,
            self.repairs,
            self.pii,
            self.eval_items,
            self.is_split,
        )


@dataclass(frozen=True)
class Cleaner:
    """The chain over batches; pure, so that any process gives the same answer."""

    config: DataConfig
    decontaminator: Decontaminator
    filters: tuple[Filter, ...]
    max_boilerplate_frac: Mapping[str, float]
    """By language; there is no limit for a language that is not named."""
    opt_outs: OptOuts = field(default_factory=OptOuts)
    """What closes rows before they come here."""
    model: Detector | None = None
    """What is asked in place of py3langid about doubtful sentences."""

    def __call__(self, batch: DocumentBatch) -> list[Cleaned]:
        """One result per document, in order; more than one for a mixed document that is split."""
        return self.clean(batch)[0]

    def clean(self, batch: DocumentBatch) -> tuple[list[Cleaned], ScannedTexts]:
        """The results, and a scan of texts among which are most of those that stay (for `rescan`)."""
        drafts, scanned = self._identify(self._repair(batch))
        scanned = self._judge(drafts, scanned)
        self._protect_addresses(drafts)
        samples = iter(_samples([draft.text for draft in drafts if not draft.is_there]))
        return [draft.finished(draft.text if draft.is_there else next(samples)) for draft in drafts], scanned

    def _repair(self, batch: DocumentBatch) -> list[_Draft]:
        repaired = repair_texts([document.text for document in batch])
        drafts = []
        for document, result in zip(batch, repaired, strict=True):
            meta = dict(document.meta)
            problem = meta.pop(PROBLEM, None)
            repairs = {**result.counts, **meta.pop(REMOVED, {})} if meta else result.counts
            draft = _Draft(
                document.id, result.text, document.language, "Zyyy", meta, document, document.url, repairs=repairs
            )
            if problem is not None:
                draft.drop(str(problem))
            elif (why := refusal(document.licence, self.config.licences)) is not None:
                draft.drop("licence", document.licence, why)
            elif result.counts.get("label"):
                self._take_labelled(draft)
            drafts.append(draft)
        return drafts

    def _take_labelled(self, draft: _Draft) -> None:
        """A document whose label says that a machine made it, after the policy."""
        if self.config.labelled == "drop":
            draft.drop("labelled")
        elif self.config.labelled == "mark":
            draft.meta["machine_made"] = True

    # ----------------------------------------------------------------------------------------------------- language

    def _identify(self, drafts: list[_Draft]) -> tuple[list[_Draft], ScannedTexts]:
        """Script, language, boilerplate lines and flattened words, which are only counted: one scan serves them all."""
        present = _present(drafts)
        scanned = scan_texts([draft.text for draft in present])
        found = zip(
            present,
            detect_scripts(scanned),
            identify_texts(scanned, self.model),
            strip_boilerplates(scanned),
            count_flattened(scanned),
            strict=True,
        )
        for draft, script, shares, stripped, flattened in found:
            if flattened:
                draft.repairs = {**draft.repairs, "flattened": flattened}
            text = draft.text
            self._set_language(draft, script, shares)
            if draft.is_there:
                self._strip(draft, stripped if draft.text is text else strip_boilerplate(draft.text))
        if self.config.languages.mixed == "split":
            drafts = [part for draft in drafts for part in self._split(draft)]
        return drafts, scanned

    def _set_language(self, draft: _Draft, script: Script, shares: LanguageShares) -> None:
        """Set language and script, or the reason why the document does not stay."""
        policy = self.config.languages
        draft.script, draft.found_language = script, shares.main
        if script == "Zyyy":
            draft.drop("no_letters" if draft.text else "missing_text")
            return
        if script != "Cyrl" and "kk" in policy.keep:
            conversion = to_cyrillic(draft.text)
            if conversion is not None:
                if not policy.convert_scripts:
                    draft.language = "kk"
                    draft.drop("script", script)
                    return
                draft.meta |= {"original_script": script, "alphabet": conversion.alphabet}
                if conversion.left:
                    draft.meta["left_unconverted"] = dict(sorted(conversion.left.items()))
                draft.text, draft.script, shares = conversion.text, "Cyrl", identify(conversion.text, self.model)
                draft.found_language = shares.main
        draft.language, draft.verdict = _decide(shares, draft.language, policy.keep, policy.min_kept_frac)
        if not draft.is_there:
            draft.shares = _told(shares)
        if 0 < shares.share(draft.language) < MIXED_BELOW:
            draft.meta["languages"] = _told(shares)

    def _split(self, draft: _Draft) -> Iterator[_Draft]:
        """A mixed document as one document per run of a language; ids get `#kk-0`, `#ru-1` …"""
        keep = self.config.languages.keep
        shares = draft.meta.get("languages", {})
        if not draft.is_there or sum(shares.get(code, 0.0) >= MIXED_FROM for code in keep) < 2:
            yield draft
            return
        meta = {key: value for key, value in draft.meta.items() if key != "languages"}
        for number, (language, text) in enumerate(split_by_language(draft.text, self.model)):
            code = language if language in keep or language == UNDETERMINED else OTHER
            part = replace(draft, id=f"{draft.id}#{code}-{number}", text=text, language=language, meta=dict(meta))
            if language not in keep:
                part.drop("other_language")
            part.repairs = draft.repairs if number == 0 else {}
            part.is_split = number > 0
            yield part

    # ------------------------------------------------------------------------------------------------------ quality

    def _strip(self, draft: _Draft, stripped: Stripped) -> None:
        """Boilerplate lines out, and documents that are mostly such lines."""
        if not stripped.lines:
            return
        draft.repairs = {**draft.repairs, "boilerplate_lines": stripped.lines}
        limit = self.max_boilerplate_frac.get(draft.language, 1.0)
        if stripped.words_frac > limit or not stripped.text:
            draft.drop("boilerplate", round(float(stripped.words_frac), DIGITS), limit)
        else:
            draft.text = stripped.text

    def _judge(self, drafts: list[_Draft], scanned: ScannedTexts) -> ScannedTexts:
        """Quality rules, evaluation items, the quality score and personal data; one scan serves them all, and the first
        reason counts."""
        present = _present(drafts)
        scanned = rescan(scanned, [draft.text for draft in present])
        languages = [draft.language for draft in present]
        for rule in self.filters:
            for draft, verdict in zip(present, rule.judge(scanned, languages), strict=True):
                if not verdict.keep and draft.is_there:
                    draft.verdict = verdict
        found = zip(self.decontaminator.hit_items(scanned), quality_scores(scanned, languages), strict=True)
        for draft, (items, score) in zip(present, found, strict=True):
            if draft.is_there:
                draft.meta["quality"] = score
                if items:
                    draft.eval_items = items
                    draft.drop("contaminated")
        if self.config.pii.enabled:
            redacted_texts = redact_texts(scanned.texts, self.config.pii.types, batch=scanned.batch)
            for draft, redacted in zip(present, redacted_texts, strict=True):
                if draft.is_there:
                    draft.text, draft.pii = redacted.text, redacted.counts
        return scanned

    def _protect_addresses(self, drafts: list[_Draft]) -> None:
        """Placeholders in ids and links; in those of dropped documents, as in their samples, whatever the config says."""
        pii = self.config.pii
        drafts = drafts if pii.enabled else [draft for draft in drafts if not draft.is_there]
        types = pii.types if pii.enabled else KINDS
        ids = redact_ids([draft.id for draft in drafts], [draft.origin.text for draft in drafts], types)
        links = redact_addresses([draft.url or "" for draft in drafts], types)
        for draft, name, link in zip(drafts, ids, links, strict=True):
            if name.counts or link.counts:
                draft.id, draft.url = name.text, link.text or draft.url
                draft.pii = dict(Counter(draft.pii) + Counter(name.counts) + Counter(link.counts))


def _present(drafts: Sequence[_Draft]) -> list[_Draft]:
    """The documents that are still there."""
    return [draft for draft in drafts if draft.is_there]


def _decide(shares: LanguageShares, declared: str, keep: Sequence[str], min_kept_frac: float) -> tuple[str, Verdict]:
    """The language a document is filed under, and whether it stays. What is measured is the share in the languages kept.

    What the text says wins over what the source says, unless the text says nothing.
    """
    if shares.main == UNDETERMINED:
        return (declared, KEEP) if declared in keep else (UNDETERMINED, Verdict(False, "language_unknown"))
    if shares.main == "kk-flat":
        return "kk", Verdict(False, "kazakh_letters_missing")
    kept_frac = sum(map(shares.share, keep))
    if shares.main in keep and (shares.share(shares.main) >= min_kept_frac or kept_frac >= min_kept_frac):
        return shares.main, KEEP
    found = UNDETERMINED if shares.main == OTHER else shares.main
    return found, Verdict(False, "other_language", round(kept_frac, 3), min_kept_frac)


def _told(shares: LanguageShares) -> dict[str, float]:
    """The languages of a text as they are written down: those of a hundredth and more."""
    return {code: round(part, 3) for code, part in shares.detail.items() if part >= 0.01}


def _samples(texts: Sequence[str]) -> list[str]:
    """Of what is dropped only the beginning, without personal data whatever the config says."""
    redacted = redact_texts([text[: 2 * SAMPLE_CHARS] for text in texts])
    return [result.text[:SAMPLE_CHARS].encode("utf-8", "replace").decode() for result in redacted]


def samples_of(documents: Sequence[Document]) -> list[Document]:
    """The documents with the beginnings of their texts only, without personal data."""
    texts = _samples([document.text for document in documents])
    return [replace(document, text=text) for document, text in zip(documents, texts, strict=True)]


def make_cleaner(config: DataConfig, decontaminator: Decontaminator) -> Cleaner:
    """The chain that a config asks for."""
    languages = config.languages.keep if config.filters.preset != "none" else ()
    limits = {code: thresholds_of(config.filters, code).max_boilerplate_frac for code in languages}
    return Cleaner(
        config,
        decontaminator,
        make_filters(config.filters),
        limits,
        read_opt_outs(config.opt_outs.lists, root=config.root),
        open_model(config.languages.model),
    )


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in batches of some megabyte of text."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if len(batch) == BATCH_DOCUMENTS or size >= BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def min_words_of(config: DataConfig, language: str) -> int:
    """The fewest words a document of a language may have; 1 where the quality rules are off."""
    return 1 if config.filters.preset == "none" else thresholds_of(config.filters, language).min_words
