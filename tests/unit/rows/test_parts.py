"""Rows made in parts: the same bytes by any number of processes and jobs and after any end; every row of the input accounted for."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qaz_llm.data.share import Share
from qaz_llm.errors import DamagedFileError, DataError, InputError
from qaz_llm.io import embedded_path, read_jsonl, write_jsonl
from qaz_llm.records import TokenizedExample
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.dataset import NothingToTrainOnError, build_dataset, make_rows, row_set
from qaz_llm.rows.packed import PackedDataset, RowWriter, encode_row
from qaz_llm.rows.packing import pack
from qaz_llm.rows.sources import check_first_texts, read_text_rows
from qaz_llm.tokenizer.base import train_base_tokenizer

CPT = RowShape(32, chat=False, splits=True)
SFT = RowShape(512, chat=True, splits=False)
TEXTS = [row["text"] for name in ("kk_a", "ru", "en") for row in read_jsonl(embedded_path(f"documents_{name}.jsonl"))]


@pytest.fixture(scope="module")
def tokenizer():
    return train_base_tokenizer(TEXTS, vocab_size=600)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def corpus(folder: Path) -> MixEntry:
    """A file that is cut, small ones that go together, a compressed one, Parquet of several row groups, lines of text."""
    folder.mkdir()
    rows = [{"text": text} for text in TEXTS]
    (folder / "a.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:60]))
    for number in range(5):
        write_jsonl(folder / f"b{number}.jsonl", rows[60 + 2 * number : 62 + 2 * number])
    write_jsonl(folder / "c.jsonl.zst", rows[70:100])
    pq.write_table(pa.Table.from_pylist(rows[100:140]), folder / "d.parquet", row_group_size=10)
    (folder / "e.txt").write_text("\n\n".join(text.replace("\n", " ") for text in TEXTS[140:]) + "\n")
    return MixEntry(name="web", path=str(folder))


@pytest.fixture(scope="module")
def input_of(tmp_path_factory: pytest.TempPathFactory) -> MixEntry:
    return corpus(tmp_path_factory.mktemp("corpus") / "in")


CUT = replace(CPT, part_bytes=12_000)


Cell = tuple[int, bool, bool]
"""A token, whether it is learned, whether a piece begins with it."""


def rows_by_hand(tokenizer: Any, texts: list[str], seq_len: int) -> list[list[Cell]]:
    """One token after another into rows."""
    rows: list[list[Cell]] = [[]]
    for text in texts:
        for place, token in enumerate([*tokenizer(text)["input_ids"], tokenizer.eos_token_id]):
            if len(rows[-1]) == seq_len:
                rows.append([])
            begins = place == 0 or not rows[-1]
            rows[-1].append((token, not begins, begins))
    return rows


def rows_on_disk(data: PackedDataset) -> list[list[Cell]]:
    found = []
    for number in range(len(data)):
        row, length = data[number], int(data.row_tokens_R[number])
        assert (row["labels"][length:] == -100).all()
        assert (row["labels"] == np.where(row["labels"] < 0, -100, row["input_ids"])).all()
        cells = zip(row["input_ids"].tolist(), row["labels"] >= 0, row["position_ids"] == 0, strict=True)
        found.append([(token, bool(learned), bool(begins)) for token, learned, begins in cells][:length])
    return found


def test_every_part_is_packed_as_by_hand(tmp_path: Path, tokenizer: Any, input_of: MixEntry) -> None:
    rows = row_set(input_of, tokenizer, CUT, cache=tmp_path)
    assert len(rows.parts) > 12
    assert any(len(part.paths) > 1 for part in rows.parts)
    assert sum(part.piece is not None for part in rows.parts) > 6
    make_rows([rows], tokenizer, workers=1)
    texts = [
        [read.text for path in part.paths for read in read_text_rows(input_of, path, part.piece)] for part in rows.parts
    ]
    lines = [text.replace("\n", " ") for text in TEXTS[140:]]
    assert [text for part in texts for text in part] == [*TEXTS[:140], *lines]
    wanted = [row for part in texts for row in rows_by_hand(tokenizer, part, CUT.seq_len)]
    assert rows_on_disk(PackedDataset.open(rows.folder)) == wanted


def test_an_input_of_one_part_is_one_stream(tmp_path: Path, tokenizer: Any, input_of: MixEntry) -> None:
    data = build_dataset(input_of, tokenizer, CPT, cache=tmp_path)
    lines = [text.replace("\n", " ") for text in TEXTS[140:]]
    assert rows_on_disk(data) == rows_by_hand(tokenizer, [*TEXTS[:140], *lines], CPT.seq_len)


def test_the_bytes_do_not_depend_on_processes_shares_or_ends(
    tmp_path: Path, tokenizer: Any, input_of: MixEntry, caplog: pytest.LogCaptureFixture
) -> None:
    entries = [(input_of, CUT), (MixEntry(name="d", path="embedded:dialogues.jsonl"), replace(SFT, part_bytes=20_000))]

    def sets(cache: str) -> list[Any]:
        return [row_set(entry, tokenizer, shape, cache=tmp_path / cache) for entry, shape in entries]

    make_rows(sets("one"), tokenizer, workers=1)
    wanted = files_of(tmp_path / "one")
    assert len(wanted) == 8 and not list((tmp_path / "one").glob(".*"))
    make_rows(sets("three"), tokenizer, workers=3)
    assert files_of(tmp_path / "three") == wanted
    for index in (2, 0, 3):
        assert make_rows(sets("shares"), tokenizer, workers=1, share=Share(index, 4)) == []
    assert not any(rows.is_done for rows in sets("shares"))
    assert len(make_rows(sets("shares"), tokenizer, workers=1, share=Share(1, 4))) == 2  # the last puts them together
    assert files_of(tmp_path / "shares") == wanted


def test_a_part_that_is_not_whole_is_made_again(tmp_path: Path, tokenizer: Any, input_of: MixEntry) -> None:
    make_rows([row_set(input_of, tokenizer, CUT, cache=tmp_path / "a")], tokenizer, workers=1)
    rows = row_set(input_of, tokenizer, CUT, cache=tmp_path / "b")
    make_rows([rows], tokenizer, workers=1, share=Share(0, 2))
    with (rows.part_folder(0) / "tokens.bin").open("r+b") as file:
        file.truncate(8)
    make_rows([rows], tokenizer, workers=1)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


SLOWLY = """
import sys, time
from qaz_llm.rows.maker import RowMaker
make = RowMaker.make
RowMaker.make = lambda *given: (make(*given), time.sleep(0.15))
sys.argv = ["qaz", "data", "tokenize", *sys.argv[1:]]
from qaz_llm.cli import main
main()
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGKILL, -9),
        pytest.param(signal.SIGTERM, 75, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 1, marks=pytest.mark.slow),
    ],
)
def test_stopped_in_the_middle_and_gone_on(
    tmp_path: Path, tokenizer: Any, input_of: MixEntry, number: signal.Signals, code: int
) -> None:
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    config = tmp_path / "train.yaml"
    paths = sorted(map(str, Path(input_of.path).iterdir()))
    mix = [{"name": f"part{number}", "path": path} for number, path in enumerate(paths)]
    values = {"method": "cpt", "run_dir": str(tmp_path / "run"), "seq_len": 32, "data": {"mix": mix, "workers": 1}}
    values["model"] = {"checkpoint": str(tmp_path / "tokenizer")}
    config.write_text(json.dumps(values))
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(config)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    parts = partial((tmp_path / "run" / "packed").glob, ".*.parts/[0-9]*/part.json")
    while len(list(parts())) < 3 and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == code, said
    num_made = len(list(parts()))
    assert 3 <= num_made < 9
    if number is signal.SIGTERM:
        assert "parts are made and stay where they are; run the same command again" in said
    from qaz_llm.config import load_config
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.start.tokenize import tokenize

    going_on = tokenize(load_config(TrainConfig, config), dry_run=True)
    assert sum(made["parts_made"] for made in going_on.sets) == num_made
    tokenize(load_config(TrainConfig, config))
    tokenize(load_config(TrainConfig, config, [f"run_dir={tmp_path / 'other'}"]))
    assert files_of(tmp_path / "run" / "packed") == files_of(tmp_path / "other" / "packed")


# ------------------------------------------------------------------------------------------------------- odd rows


def write(path: Path, *lines: str) -> MixEntry:
    path.write_text("".join(line + "\n" for line in lines))
    return MixEntry(name="part", path=str(path))


ODD = [
    '{"text": "бір екі"}',
    '{"text": "жақсы \\ud83d"}',
    '{"text": null}',
    '{"body": "мәтін"}',
    '{"text": ["а"]}',
    '{"text": 5}',
    '{"text": " \\t"}',
    "{oops",
    '["а"]',
    '{"text": "ChatML: <|im_start|>user, соңы <|eos|>"}',
    '{"text": "\\ud83d\\ude42 бүтін"}',
]


def test_odd_rows_are_dropped_counted_and_shown(
    tmp_path: Path, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        data = build_dataset(
            write(tmp_path / "a.jsonl", *ODD), tokenizer, replace(CPT, seq_len=256), cache=tmp_path / "c"
        )
    assert data.meta["dropped"] == {"missing_text": 2, "not_text": 2, "bad_json": 2, "empty_text": 1}
    assert data.meta["noted"] == {"half_characters_replaced": 1, "special_tokens_spelled": 1}
    assert data.meta["examples"] == 4
    assert data.meta["examples"] + sum(data.meta["dropped"].values()) == len(ODD)
    for said in (
        "dropped 2 missing_text", "a.jsonl, row 3: field 'text' is null", "a.jsonl, row 5: 'text' is list",
        "a.jsonl, row 8: bad_json", "replaced by U+FFFD in 1 rows; for one: a.jsonl, row 2",
        "spelled in 1 texts, and stay text there; for one: a.jsonl, row 10: <|im_start|>",
    ):  # fmt: skip
        assert said in caplog.text
    length = int(data.row_tokens_R[0])
    ids, starts = data.tokens_RL[0][:length].tolist(), np.flatnonzero(data[0]["position_ids"][:length] == 0).tolist()
    documents = [ids[a:b] for a, b in zip(starts, [*starts[1:], length], strict=True)]
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for document in documents:
        assert document[0] == tokenizer.bos_token_id and document[-1] == tokenizer.eos_token_id
        assert not special & set(document[1:-1])
    assert tokenizer.decode(documents[1][1:-1]) == "жақсы \ufffd"
    assert tokenizer.decode(documents[2][1:-1]) == "ChatML: <|im_start|>user, соңы <|eos|>"
    assert tokenizer.decode(documents[3][1:-1]) == "🙂 бүтін"


def test_an_encoding_that_was_recognised_is_said(tmp_path: Path, tokenizer: Any) -> None:
    text = "Қазақстан тауы мен даласы кең байтақ өңір, ұлан-ғайыр жер."
    (tmp_path / "a.txt").write_bytes((text + "\n").encode("kz1048") * 30)
    data = build_dataset(MixEntry(name="part", path=str(tmp_path / "a.txt")), tokenizer, CPT, cache=tmp_path / "c")
    assert data.meta["noted"] == {"encoding_recognised": 1}
    assert data.meta["first"]["encoding_recognised"].startswith("a.txt: kz1048")
    assert data.meta["tokens"] == 30 * (len(tokenizer(text)["input_ids"]) + 1)


def test_the_first_rows_are_looked_at_and_no_more(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row in another language has the fields: no reason to read on to the first in the right one."""
    entry = write(tmp_path / "a.jsonl", '{"text": "а", "language": "ru"}', *['{"text": "ә", "language": "kk"}'] * 5)
    monkeypatch.setattr(
        "qaz_llm.rows.sources._read_text", lambda row, *_: None if row.number == 0 else pytest.fail("read on")
    )
    check_first_texts(entry.model_copy(update={"language": "kk"}))


def test_half_a_character_in_a_list_and_in_a_dialogue(tmp_path: Path, tokenizer: Any) -> None:
    entry = write(tmp_path / "a.json", "[" + ", ".join(ODD[:2]) + "]")
    assert build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c").meta["noted"] == {"half_characters_replaced": 1}
    turns = '{{"messages": [{{"role": "user", "content": "{}"}}, {{"role": "assistant", "content": "Жақсы"}}]}}'
    entry = write(tmp_path / "c.jsonl", turns.format("Сәлем"), turns.format("Сәлем \\ud83d"))
    data = build_dataset(entry, tokenizer, SFT, cache=tmp_path / "c")
    assert data.meta["noted"] == {"half_characters_replaced": 1, "replacement_characters": 1}
    assert set(data.meta["first"].values()) == {"c.jsonl, row 2"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"body": "а"}', "no field 'text'; its fields are body"),
        ('{"text": null}', "field 'text' is null"),
        ('{"text": 5}', "'text' is int, expected a string"),
        ("oops", "bad_json"),
    ],
)
def test_where_no_row_can_be_used_it_is_said_what_was_found(
    tmp_path: Path, tokenizer: Any, line: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        build_dataset(write(tmp_path / "a.jsonl", line, line), tokenizer, CPT, cache=tmp_path / "c")


def test_rows_that_do_not_say_what_the_mix_asks_for_are_dropped(tmp_path: Path, tokenizer: Any) -> None:
    rows = [
        '{"text": "а", "language": "kk"}', '{"text": "б"}', '{"text": "в", "language": "ru"}',
        '{"text": "г", "language": "kk", "meta": {"quality": 0.9}}', '{"text": "д", "language": "kk", "meta": null}',
    ]  # fmt: skip
    entry = write(tmp_path / "a.jsonl", *rows)
    data = build_dataset(entry.model_copy(update={"language": "kk"}), tokenizer, CPT, cache=tmp_path / "c")
    assert (data.meta["examples"], data.meta["dropped"]) == (3, {"missing_language": 1})
    data = build_dataset(entry.model_copy(update={"min_quality": 0.5}), tokenizer, CPT, cache=tmp_path / "c")
    assert (data.meta["examples"], data.meta["dropped"]) == (1, {"missing_quality": 4})


def test_a_document_without_tokens_is_counted(tmp_path: Path) -> None:
    from tokenizers import Regex, normalizers

    made = train_base_tokenizer(TEXTS, vocab_size=400)
    made.backend_tokenizer.normalizer = normalizers.Replace(Regex("\u200b"), "")
    data = build_dataset(
        write(tmp_path / "a.jsonl", '{"text": "\u200b"}', '{"text": "а"}'), made, CPT, cache=tmp_path / "c"
    )
    assert (data.meta["examples"], data.meta["dropped"]) == (1, {"no_tokens": 1})


def test_texts_kept_whole_are_packed_and_long_ones_counted(tmp_path: Path, tokenizer: Any) -> None:
    texts = [text[:150] for text in TEXTS[:40]] + [TEXTS[0] * 3]
    entry = write(tmp_path / "a.jsonl", *(json.dumps({"text": text}) for text in texts))
    shape = RowShape(128, chat=False, splits=False)
    data = build_dataset(entry, tokenizer, shape, cache=tmp_path / "c")
    ids = [(*tokenizer(text)["input_ids"], tokenizer.eos_token_id) for text in texts]
    long = sum(len(document) > 128 for document in ids)
    assert 0 < long < 41
    assert data.meta["dropped"] == {"longer_than_seq_len": long}
    assert data.meta["examples"] == 41 - long
    wanted = list(pack([TokenizedExample(i, i) for i in ids], seq_len=128, overflow="drop"))
    assert [data.tokens_RL[n][: data.row_tokens_R[n]].tolist() for n in range(len(data))] == [
        list(r.input_ids) for r in wanted
    ]


def test_a_damaged_file_is_named_and_nothing_is_said_to_be_done(tmp_path: Path, tokenizer: Any) -> None:
    write_jsonl(tmp_path / "a.jsonl.zst", [{"text": text} for text in TEXTS])
    data = (tmp_path / "a.jsonl.zst").read_bytes()
    (tmp_path / "a.jsonl.zst").write_bytes(data[: len(data) // 2])
    entry = MixEntry(name="part", path=str(tmp_path / "a.jsonl.zst"))
    for workers in (1, 2):
        with pytest.raises(DamagedFileError, match=r"a\.jsonl\.zst: damaged"):
            build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c", workers=workers)
    assert not list((tmp_path / "c").glob("part-*"))


def test_nothing_left_ends_with_the_users_code(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(NothingToTrainOnError, match=r"\(1 empty_text\)") as caught:
        build_dataset(write(tmp_path / "a.jsonl", '{"text": " "}'), tokenizer, CPT, cache=tmp_path / "c")
    assert isinstance(caught.value, DataError) and caught.value.exit_code == 2


def test_two_at_once_do_not_make_the_same_rows(tmp_path: Path, tokenizer: Any, input_of: MixEntry) -> None:
    from qaz_llm.io import only_one

    rows = row_set(input_of, tokenizer, CUT, cache=tmp_path)
    with only_one(rows.work), pytest.raises(InputError, match="another process is working in this folder"):
        make_rows([rows], tokenizer, workers=1)
    with only_one(rows.work, name=".lock-share-0-of-2"), pytest.raises(InputError, match="another process"):
        make_rows([rows], tokenizer, workers=1, share=Share(0, 2))


def test_large_inputs_are_known_by_size_and_time(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write(tmp_path / "a.jsonl", '{"text": "бір"}')
    path = Path(entry.path)

    def known() -> str:
        return row_set(entry, tokenizer, CPT, cache=tmp_path).fingerprint

    by_bytes = known()
    os.utime(path, ns=(1, 1))
    assert known() == by_bytes
    monkeypatch.setattr("qaz_llm.io.fingerprints.WHOLE_HASH_BYTES", 3)
    by_time = known()
    path.write_bytes(path.read_bytes().replace("бір".encode(), "екі".encode()))
    os.utime(path, ns=(1, 1))
    assert known() == by_time
    os.utime(path, ns=(2, 2))
    assert known() != by_time


@pytest.mark.parametrize("portion", [1, 7, 50, 1 << 20])
def test_filled_rows_are_those_of_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portion: int) -> None:
    monkeypatch.setattr("qaz_llm.rows.packed.WRITTEN_TOKENS", portion)
    rng = np.random.default_rng(portion)
    for seq_len in (1, 2, 5, 16):
        documents = [rng.integers(1, 99, size).astype(np.int32) for size in rng.integers(0, 40, 30)]
        folder = tmp_path / f"{seq_len}"
        folder.mkdir()
        with RowWriter(folder, seq_len=seq_len, pad_id=0) as writer:
            writer.write_filled(iter(documents))
        examples = [TokenizedExample(tuple(ids := d.tolist()), tuple(ids)) for d in documents]
        cells = [
            encode_row(row, seq_len=seq_len, pad_id=0) for row in pack(examples, seq_len=seq_len, overflow="split")
        ]
        assert (folder / "tokens.bin").read_bytes() == b"".join(tokens.tobytes() for tokens, _ in cells)
        assert (folder / "flags.bin").read_bytes() == b"".join(flags.tobytes() for _, flags in cells)
        assert writer.facts()["tokens"] == sum(map(len, documents))
        assert writer.facts()["learned_tokens"] == sum(int((flags & 1).sum()) for _, flags in cells)
