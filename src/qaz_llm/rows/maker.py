"""One part of the input made into rows on disk: documents as one stream, dialogues whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.cluster.job import note_progress
from qaz_llm.io import atomic_dir, facts_of_files, write_json
from qaz_llm.records import PackedRow, TokenizedExample
from qaz_llm.rows.chat import ChatRenderer
from qaz_llm.rows.chat.examples import chat_examples
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.counts import Counts
from qaz_llm.rows.encode import SpecialTokens, TextEncoder
from qaz_llm.rows.packed import RowWriter, Tokens, pad_id_of
from qaz_llm.rows.packing import Overflow, one_by_one, pack
from qaz_llm.rows.parts import PART_FILE, RowPart, is_part_done
from qaz_llm.rows.preference.packing import RenderedPair, pack_pairs
from qaz_llm.rows.preference.read import read_pairs_of
from qaz_llm.rows.preference.render import rendered_pairs
from qaz_llm.rows.sources import read_dialogues_of, read_text_rows, recognised_encoding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BATCH_TEXTS = 64
"""Texts handed to the tokenizer at a time."""


class RowMaker:
    """Makes parts into rows; one per process, so that words once tokenised are known in the next part too."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer

    def __getstate__(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer}  # what is made from it is made anew in another process

    @cached_property
    def encoder(self) -> TextEncoder:
        return TextEncoder(self.tokenizer)

    @cached_property
    def renderer(self) -> ChatRenderer:
        return ChatRenderer.of(self.tokenizer)

    @cached_property
    def special_tokens(self) -> SpecialTokens:
        return SpecialTokens(self.tokenizer)

    def make(self, entry: MixEntry, shape: RowShape, part: RowPart, folder: Path) -> None:
        """Leave the rows of a part in `folder`, unless they are there."""
        if is_part_done(folder):
            return
        counts = Counts.none()
        if part.piece is None or part.piece.start == 0:
            for path in part.paths:
                if encoding := recognised_encoding(entry, path, chat=shape.chat):
                    counts.note("encoding_recognised", f"{path.name}: {encoding}")
        with atomic_dir(folder) as temporary:
            with RowWriter(temporary, seq_len=shape.seq_len, pad_id=pad_id_of(self.tokenizer)) as writer:
                if shape.pairs:
                    pairs = self._pairs(entry, part, counts)
                    writer.write_rows(pack_pairs(pairs, seq_len=shape.seq_len, packs=shape.packs, counts=counts))
                elif shape.splits and shape.packs and not shape.chat:
                    writer.write_filled(ids for _, ids in self._texts(entry, part, counts))
                else:
                    dialogues = self._dialogues(entry, shape.seq_len, part, counts)
                    examples = dialogues if shape.chat else self._whole_texts(entry, part, counts)
                    writer.write_rows(_packed(examples, shape, counts))
            files = facts_of_files(temporary)
            write_json(temporary / PART_FILE, {**writer.facts(), **counts.to_dict(), "files": files})
        note_progress(f"rows {folder.name}")

    def _texts(self, entry: MixEntry, part: RowPart, counts: Counts) -> Iterator[tuple[str, Tokens]]:
        """Place and ids of each text, with what the tokenizer puts around it and the end-of-text token behind it."""
        batch: list[tuple[str, str]] = []
        for path in part.paths:
            for read in read_text_rows(entry, path, part.piece):
                if read.reason is not None:
                    counts.drop(read.reason, f"{read.where}: {read.found}")
                    continue
                if read.is_mended:
                    counts.note("half_characters_replaced", read.where)
                if spelled := self.special_tokens.first_in(read.text):
                    counts.note("special_tokens_spelled", f"{read.where}: {spelled}")
                batch.append((read.where, read.text))
                if len(batch) == BATCH_TEXTS:
                    yield from self._encoded(batch, counts)
                    batch = []
        yield from self._encoded(batch, counts)

    def _encoded(self, batch: list[tuple[str, str]], counts: Counts) -> Iterator[tuple[str, Tokens]]:
        for (where, _), ids in zip(batch, self.encoder([text for _, text in batch]), strict=True):
            if len(ids):
                counts.examples += 1
                if not self.encoder.ends_texts:
                    counts.note("texts_not_ended", where)
                yield where, ids
            else:
                counts.drop("no_tokens", f"{where}: the tokenizer leaves nothing of it")

    def _whole_texts(self, entry: MixEntry, part: RowPart, counts: Counts) -> Iterator[TokenizedExample]:
        for where, ids in self._texts(entry, part, counts):
            tokens = tuple(ids.tolist())
            yield TokenizedExample(tokens, tokens, where)

    def _dialogues(self, entry: MixEntry, seq_len: int, part: RowPart, counts: Counts) -> Iterator[TokenizedExample]:
        """Each dialogue rendered; those that cannot be are counted."""
        for path in part.paths:
            dialogues = read_dialogues_of(entry, path, part.piece)
            yield from chat_examples(dialogues, self.renderer, seq_len=seq_len, counts=counts)

    def _pairs(self, entry: MixEntry, part: RowPart, counts: Counts) -> Iterator[RenderedPair]:
        """Each preference pair rendered; those that cannot be are counted."""
        for path in part.paths:
            yield from rendered_pairs(read_pairs_of(entry, path, part.piece), self.renderer, counts)


def _packed(examples: Iterator[TokenizedExample], shape: RowShape, counts: Counts) -> Iterator[PackedRow]:
    overflow: Overflow = "split" if shape.splits else "drop"
    on_drop = partial(_drop_long, seq_len=shape.seq_len, counts=counts)
    return (pack if shape.packs else one_by_one)(examples, seq_len=shape.seq_len, overflow=overflow, on_drop=on_drop)


def _drop_long(example: TokenizedExample, seq_len: int, counts: Counts) -> None:
    counts.examples -= 1
    length = len(example.input_ids)
    counts.drop("longer_than_seq_len", f"{example.source_id}: {length:,} tokens, a row has {seq_len:,}")
