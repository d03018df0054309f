"""Instruction data of a build: made, protected, freed of evaluation items and duplicates, written.

Every conversation passes the gates of the documents: licence, evaluation items, personal data, exact and near duplicates.
Conversations wait in a file beside the shards until the near duplicates are known; memory holds the texts that are compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import xxhash

from qaz_llm.data.chat.conversations import make_conversations, with_messages
from qaz_llm.data.chat.converters import Made
from qaz_llm.data.clean import SAMPLE_CHARS, Cleaner
from qaz_llm.data.config import DataConfig
from qaz_llm.data.duplicates.dedup import near_duplicates_of_texts
from qaz_llm.data.licence_names import spdx
from qaz_llm.data.licences import refusal
from qaz_llm.data.manifest import Ledger
from qaz_llm.data.protect.pii import redact, redact_texts
from qaz_llm.io import ShardWriter, open_jsonl_for_writing, read_jsonl
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.segment import match_words
from qaz_llm.progress import get_logger
from qaz_llm.records import Conversation

BATCH_CONVERSATIONS = 256
_logger = get_logger("data")


def gather_conversations(config: DataConfig, cleaner: Cleaner, ledger: Ledger, staging: Path) -> None:
    """Write conversations-* and dropped_conversations-* to `staging`, counting in `ledger`."""
    waiting = staging.parent / "conversations.jsonl.zst"
    with ExitStack() as stack:
        kept = stack.enter_context(ShardWriter(staging, "conversations", shard_bytes=config.shard_bytes))
        dropped = stack.enter_context(ShardWriter(staging, "dropped_conversations", shard_bytes=config.shard_bytes))

        def drop(conversation: Conversation, reason: str, of: str | None = None) -> None:
            ledger.drop_conversation(conversation.source, reason)
            dropped.write(_dropped_row(conversation, reason, of))

        try:
            with open_jsonl_for_writing(waiting, compressed=True) as write:
                compared = _judge_all(config, cleaner, write, drop)
            copies = _near_duplicates(compared, config)
            for number, row in enumerate(read_jsonl(waiting)):
                conversation = Conversation.from_row(row["conversation"])
                if number in copies:
                    drop(conversation, "near_duplicate", copies[number])
                else:
                    ledger.keep_conversation(conversation, row["pii"])
                    kept.write(row["conversation"])
        finally:
            waiting.unlink(missing_ok=True)


Compared = dict[str, list[tuple[int, str, str]]]
"""By group, of each waiting conversation its number, its id and the text that it is compared by."""


def _judge_all(
    config: DataConfig, cleaner: Cleaner, write: Callable[[Mapping[str, Any]], int], drop: Callable[..., None]
) -> Compared:
    """Hand each conversation of each source to `write` or `drop`; what was written is to be compared."""
    compared: Compared = defaultdict(list)
    seen: set[bytes] = set()
    number = 0
    for made, reason, pii in _judged(config, cleaner):
        key = _key(made)
        if reason is None and config.dedup.exact and key in seen:
            reason = "exact_duplicate"
        if reason is not None:
            drop(made.conversation, reason)
            continue
        seen.add(key)
        write({"conversation": made.conversation.to_row(), "pii": dict(pii)})
        compared[made.group].append((number, made.conversation.id, made.compared))
        number += 1
    return compared


def _key(made: Made) -> bytes:
    """Equal for texts of one group whose words are equal, whatever their case and punctuation."""
    return xxhash.xxh3_128_digest(" ".join([made.group, *match_words(made.compared)]).encode())


def _judged(config: DataConfig, cleaner: Cleaner) -> Iterator[tuple[Made, str | None, Mapping[str, int]]]:
    """Each conversation without personal data, why it is dropped, and what was replaced in it."""
    for source in config.conversations:
        why = refusal(spdx(source.licence), config.licences)
        if why is not None and source.licence_field is None:
            _logger.info(f"conversations {source.name}: not read, its licence is refused ({why})")
            continue
        stop = config.on_bad_row == "stop"
        made = make_conversations(source, root=config.root, seed=config.seed, stop_on_bad_row=stop)
        ids: set[str] = set()
        while batch := list(islice(made, BATCH_CONVERSATIONS)):
            texts = ["\n".join(message.content for message in item.conversation.messages) for item in batch]
            hits = cleaner.decontaminator.hits(scan_texts(texts))
            for item, hit, (conversation, pii) in zip(batch, hits, _protected(batch, config), strict=True):
                reason = item.reason
                if reason is None and item.conversation.id in ids:
                    reason = "duplicate_id"
                if reason is None and refusal(item.conversation.licence, config.licences) is not None:
                    reason = "licence"
                if reason is None and hit is not None:
                    reason = "contaminated"
                ids.add(item.conversation.id)
                yield replace(item, conversation=conversation), reason, pii


def _protected(batch: list[Made], config: DataConfig) -> Iterator[tuple[Conversation, Mapping[str, int]]]:
    """The conversations with placeholders for personal data, and what was replaced in each."""
    if not config.pii.enabled:
        yield from ((item.conversation, {}) for item in batch)
        return
    contents = [message.content for item in batch for message in item.conversation.messages]
    redacted = iter(redact_texts(contents, config.pii.types))
    for item in batch:
        turns = list(islice(redacted, len(item.conversation.messages)))
        counts: Counter[str] = Counter()
        for turn in turns:
            counts.update(turn.counts)
        yield with_messages(item.conversation, [turn.text for turn in turns]), counts


def _near_duplicates(compared: Compared, config: DataConfig) -> dict[int, str]:
    """Number of each copy → id of the conversation that stays; only conversations of one group are compared.

    A pair translated one way is no copy of the same pair translated the other way, hence the groups.
    """
    if not config.dedup.near:
        return {}
    copies: dict[int, str] = {}
    for entries in compared.values():
        found = near_duplicates_of_texts([text for _, _, text in entries], config.dedup, config.seed)
        copies |= {entries[i][0]: entries[kept][1] for i, kept in enumerate(found) if kept is not None}
    return copies


def _dropped_row(conversation: Conversation, reason: str, of: str | None) -> dict[str, Any]:
    """The beginning of what was dropped, without personal data whatever the config says."""
    text = redact("\n".join(message.content for message in conversation.messages)[: 2 * SAMPLE_CHARS]).text
    row = {"id": conversation.id, "source": conversation.source, "reason": reason, "text": text[:SAMPLE_CHARS]}
    return row if of is None else {**row, "of": of}
