"""Instruction data of a build: made, protected, freed of duplicates and evaluation items, written."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from qaz_llm.data.clean import SAMPLE_CHARS, Cleaner
from qaz_llm.data.config import DataConfig
from qaz_llm.data.conversations import Made, make_conversations, with_messages
from qaz_llm.data.hashing import text_hash
from qaz_llm.data.licences import refusal, spdx
from qaz_llm.data.manifest import Ledger
from qaz_llm.data.pii import redact
from qaz_llm.io import ShardWriter
from qaz_llm.progress import get_logger
from qaz_llm.records import Conversation

_logger = get_logger("data")


def gather_conversations(config: DataConfig, cleaner: Cleaner, ledger: Ledger, staging: Path) -> None:
    """Write conversations-* and dropped_conversations-* to `staging`, counting in `ledger`."""
    seen: set[str] = set()
    with (
        ShardWriter(staging, "conversations", shard_bytes=config.shard_bytes) as kept,
        ShardWriter(staging, "dropped_conversations", shard_bytes=config.shard_bytes) as dropped,
    ):
        for source in config.conversations:
            if refusal(spdx(source.licence), config.licences) is not None:
                _logger.info(f"conversations {source.name}: not read, its licence is refused")
                continue
            for made in _unique_ids(make_conversations(source, root=config.root, seed=config.seed)):
                reason = made.reason or _problem(made.conversation, cleaner, seen)
                conversation, pii = _protected(made.conversation, config)
                if reason is None:
                    ledger.keep_conversation(conversation, pii)
                    kept.write(conversation.to_row())
                else:
                    ledger.drop_conversation(source.name, reason)
                    text = "\n".join(message.content for message in conversation.messages)
                    row = {"id": conversation.id, "source": source.name, "reason": reason}
                    dropped.write({**row, "text": redact(text).text[:SAMPLE_CHARS]})


def _unique_ids(made: list[Made]) -> list[Made]:
    """Later rows with an id that was there before get a reason."""
    seen: set[str] = set()
    result = []
    for item in made:
        twice = item.conversation.id in seen and item.reason is None
        result.append(replace(item, reason="duplicate_id") if twice else item)
        seen.add(item.conversation.id)
    return result


def _problem(conversation: Conversation, cleaner: Cleaner, seen: set[str]) -> str | None:
    """Contaminated, or a dialogue that was there before; remembers it otherwise."""
    text = "\n".join(message.content for message in conversation.messages)
    if cleaner.decontaminator.hit(text):
        return "contaminated"
    key = text_hash(text)
    if key in seen:
        return "exact_duplicate"
    seen.add(key)
    return None


def _protected(conversation: Conversation, config: DataConfig) -> tuple[Conversation, dict[str, int]]:
    """The conversation with placeholders for personal data, and what was replaced."""
    if not config.pii.enabled:
        return conversation, {}
    redacted = [redact(message.content, config.pii.types) for message in conversation.messages]
    counts: Counter[str] = Counter()
    for item in redacted:
        counts.update(item.counts)
    return with_messages(conversation, [item.text for item in redacted]), dict(counts)
