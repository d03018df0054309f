"""Instruction data of a build: made, protected, freed of evaluation items and duplicates, written.

Every conversation passes the gates of the documents: licence, evaluation items, personal data, exact and near duplicates.
Conversations wait in a file beside the shards until the near duplicates are known; memory holds the texts that are compared.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from qaz_llm.data.chat.conversations import make_conversations
from qaz_llm.data.chat.converters import Made
from qaz_llm.data.chat.identity import Example, differ_in_what_matters
from qaz_llm.data.chat.languages import asked_and_answered
from qaz_llm.data.chat.texts import texts_of, with_texts
from qaz_llm.data.clean import SAMPLE_CHARS, Cleaner
from qaz_llm.data.config import ConversationSourceConfig, DataConfig
from qaz_llm.data.duplicates.dedup import near_duplicates_of_texts
from qaz_llm.data.licences import refusal
from qaz_llm.data.manifest import Ledger
from qaz_llm.data.plan import conversation_refusal
from qaz_llm.data.protect.pii import redact, redact_ids, redact_texts
from qaz_llm.data.tasks import conversation_files, file_names
from qaz_llm.io import ShardWriter, fingerprint_file, open_jsonl_for_writing, read_jsonl
from qaz_llm.language.buffer import ScannedTexts, scan_texts
from qaz_llm.language.scripts import detect_scripts, to_cyrillic
from qaz_llm.progress import get_logger
from qaz_llm.records import Conversation

BATCH_CONVERSATIONS = 256
_logger = get_logger("data")

_Drop = Callable[[Conversation, str, Mapping[str, str]], None]
"""Takes a conversation, the reason, and what was found: `of`, the copy that stays; `file` and `item`, the evaluation item."""


def gather_conversations(config: DataConfig, cleaner: Cleaner, ledger: Ledger, staging: Path) -> None:
    """Write conversations-* and dropped_conversations-* to `staging`, counting in `ledger`."""
    waiting = staging.parent / "conversations.jsonl.zst"
    with ExitStack() as stack:
        kept = stack.enter_context(ShardWriter(staging, "conversations", shard_bytes=config.shard_bytes))
        dropped = stack.enter_context(ShardWriter(staging, "dropped_conversations", shard_bytes=config.shard_bytes))

        def drop(conversation: Conversation, reason: str, found: Mapping[str, str]) -> None:
            ledger.drop_conversation(conversation.source, reason)
            dropped.write(_dropped_row(conversation, reason, found))

        try:
            with open_jsonl_for_writing(waiting, compressed=True) as write:
                copies = _judge_all(config, cleaner, ledger, write, drop).copies(config)
            for number, row in enumerate(read_jsonl(waiting)):
                conversation = Conversation.from_row(row["conversation"])
                if number in copies:
                    drop(conversation, "near_duplicate", {"of": copies[number]})
                else:
                    ledger.keep_conversation(conversation, row["pii"], row["repairs"], row["asked_answered"])
                    kept.write(row["conversation"])
        finally:
            waiting.unlink(missing_ok=True)


@dataclass
class _Compared:
    """Of each conversation that waits its id, the key it is compared under and the text it is compared by."""

    ids: list[str] = field(default_factory=list)
    keys: array[int] = field(default_factory=lambda: array("Q"))
    texts: list[str] = field(default_factory=list)

    def add(self, made: Made) -> None:
        self.ids.append(made.conversation.id)
        self.keys.append(made.example.near_key)
        self.texts.append(made.example.alike)

    def copies(self, config: DataConfig) -> dict[int, str]:
        """Number of each near duplicate → id of the conversation that stays."""
        if not config.dedup.near:
            return {}
        found = near_duplicates_of_texts(self.texts, config.dedup, config.seed, keys=self.keys)
        return {
            number: self.ids[kept]
            for number, kept in enumerate(found)
            if kept is not None and not differ_in_what_matters(self.texts[number], self.texts[kept])
        }


def _judge_all(
    config: DataConfig, cleaner: Cleaner, ledger: Ledger, write: Callable[[Mapping[str, Any]], int], drop: _Drop
) -> _Compared:
    """Hand each conversation of each source to `write` or `drop`; what was written is to be compared."""
    compared = _Compared()
    exact = _ExactDuplicates(config)
    for made, reason, pii, found in _judged(config, cleaner, ledger):
        if reason is None:
            reason, found = exact.find(made)
        if reason is not None:
            drop(made.conversation, reason, found)
            continue
        source = made.conversation.source
        ledger.notices.add("repeated_ids", source, made.repeats_id is not None)
        if made.notice is not None:
            ledger.notices.add(made.notice, source)
        marked = {"machine_made": True} if config.labelled == "mark" and made.repairs.get("label") else {}
        write({
            "conversation": {**made.conversation.to_row(), **marked}, "pii": dict(pii), "repairs": dict(made.repairs),
            "asked_answered": asked_and_answered(made.conversation, made.question),
        })  # fmt: skip
        compared.add(made)
    return compared


class _ExactDuplicates:
    """The examples seen so far by their whole content, each with the id of the conversation that stays."""

    def __init__(self, config: DataConfig) -> None:
        self._drops_all = config.dedup.exact
        self._of_key: dict[bytes, str] = {}
        self._names = {source.name for source in config.conversations if source.id_field is not None}

    def find(self, made: Made) -> tuple[str | None, Mapping[str, str]]:
        """Why a conversation is a copy, and of which; it is remembered where it is none.

        The same content under the same id is one row given twice, whatever is done about other copies.
        """
        key, conversation = made.example.exact_key, made.conversation
        first = self._of_key.setdefault(key, conversation.id)
        if first == conversation.id:
            return None, {}
        if conversation.source in self._names and made.repeats_id == first:
            return "duplicate_id", {"of": first}
        return ("exact_duplicate", {"of": first}) if self._drops_all else (None, {})


def _judged(
    config: DataConfig, cleaner: Cleaner, ledger: Ledger
) -> Iterator[tuple[Made, str | None, Mapping[str, int], Mapping[str, str]]]:
    """Each conversation without personal data, why it is dropped, what was replaced in it, and which evaluation item it has."""
    for source in config.conversations:
        why = conversation_refusal(source, config)
        if why is not None:
            _logger.info(f"conversations {source.name}: not read, its licence is refused ({why})")
            continue
        ledger.read_conversations(source.name, _fingerprints(source, config))
        stop = config.on_bad_row == "stop"
        made = make_conversations(source, root=config.root, seed=config.seed, stop_on_bad_row=stop)
        while batch := list(islice(made, BATCH_CONVERSATIONS)):
            texts = ["\n".join(texts_of(item.conversation)) for item in batch]
            hits = cleaner.decontaminator.hit_items(_scan_as_documents(texts))
            for item, items, (protected, pii) in zip(batch, hits, _protected(batch, config), strict=True):
                reason = item.reason
                found: Mapping[str, str] = {}
                if reason is None and refusal(item.conversation.licence, config.licences) is not None:
                    reason = "licence"
                if item.repairs.get("label"):
                    ledger.labelled_conversation()
                    if reason is None and config.labelled == "drop":
                        reason = "labelled"
                if reason is None and items:
                    reason = "contaminated"
                    ledger.contaminated(items)
                    found = _first_item(items, cleaner)
                yield protected, reason, pii, found


def _first_item(items: Sequence[int], cleaner: Cleaner) -> dict[str, str]:
    decontaminator = cleaner.decontaminator
    return {"file": decontaminator.file_of(items[0]), "item": decontaminator.item_ids[items[0]]}


def _scan_as_documents(texts: Sequence[str]) -> ScannedTexts:
    """The texts as documents are matched with evaluation items: Kazakh of other scripts in Cyrillic."""
    scanned = scan_texts(texts)
    converted = list(texts)
    for number, script in enumerate(detect_scripts(scanned)):
        conversion = to_cyrillic(texts[number]) if script in ("Latn", "Arab") else None
        if conversion is not None:
            converted[number] = conversion.text
    return scanned if converted == texts else scan_texts(converted)


def _fingerprints(source: ConversationSourceConfig, config: DataConfig) -> dict[str, str]:
    """The fingerprint of each file by name; of a data set of the hub none."""
    files = [file for file in conversation_files(source, root=config.root) if file.is_file()]
    return {name: fingerprint_file(file) for name, file in zip(file_names(files), files, strict=True)}


def _protected(batch: list[Made], config: DataConfig) -> Iterator[tuple[Made, Mapping[str, int]]]:
    """The conversations with placeholders for personal data, compared by what is left, and what was replaced in each."""
    if not config.pii.enabled:
        yield from ((item, {}) for item in batch)
        return
    types = config.pii.types
    said = [texts_of(item.conversation) for item in batch]
    redacted = iter(redact_texts([text for texts in said for text in texts], types))
    texts = [item.example.alike for item in batch]
    ids = redact_ids([item.conversation.id for item in batch], texts, types)
    for item, own_texts, text, own_id in zip(batch, said, texts, ids, strict=True):
        turns = list(islice(redacted, len(own_texts)))
        counts = Counter(own_id.counts)
        for turn in turns:
            counts.update(turn.counts)
        if counts:
            conversation = with_texts(item.conversation, [turn.text for turn in turns])
            item = replace(
                item,
                conversation=replace(conversation, id=own_id.text),
                example=_redacted(item.example, config),
                repeats_id=item.repeats_id and redact_ids([item.repeats_id], [text], types)[0].text,
            )
        yield item, counts


def _redacted(example: Example, config: DataConfig) -> Example:
    """Two questions that differ in a telephone number alone are one when it is gone."""
    texts = iter([found.text for found in redact_texts([*example.asked, *example.answered], config.pii.types)])
    return Example(example.group, tuple(islice(texts, len(example.asked))), tuple(texts))


def _dropped_row(conversation: Conversation, reason: str, found: Mapping[str, str]) -> dict[str, Any]:
    """The beginning of what was dropped and whose turns it has, without personal data whatever the config says."""
    text = redact("\n".join(texts_of(conversation))[: 2 * SAMPLE_CHARS]).text
    own_id = redact_ids([conversation.id], [text])[0].text
    row = {"id": own_id, "source": conversation.source, "reason": reason, "text": text[:SAMPLE_CHARS]}
    roles = [message.role for message in conversation.messages]
    return {**row, **({"roles": roles} if roles else {}), **found}
