"""The watermark: its keys, and its score beside transformers' own processor and arithmetic by hand."""

from __future__ import annotations

import json
import random
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qaz_llm.cli.entry import app
from qaz_llm.cli.serve import _keys_file
from qaz_llm.errors import InputError
from qaz_llm.labels.watermark import (
    DEPTH,
    NGRAM_TOKENS,
    TABLE_SIZE,
    WatermarkKeys,
    keys_of,
    make_watermark_keys,
    read_watermark_keys,
)
from qaz_llm.labels.watermark_score import MIN_TOKENS, score_ids, wins_of

KEYS = keys_of(bytes(range(32)))


def test_wins_are_those_of_transformers() -> None:
    import torch

    from qaz_llm.serve.marking_process import watermark_of

    ids = [random.Random(3).choice((7, 11, 49_000)) for _ in range(400)]  # few tokens: contexts come again
    processor = watermark_of(KEYS).construct_processor(vocab_size=49_152, device="cpu")
    ids_BT = torch.tensor([ids])
    is_new = processor.compute_context_repetition_mask(ids_BT)[0]
    assert int((~is_new).sum()) > 0
    expected = processor.compute_g_values(ids_BT)[0][is_new]
    assert wins_of(ids, KEYS).tolist() == expected.tolist()


def test_a_text_that_wins_every_round_has_the_score_of_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr("qaz_llm.labels.watermark_score.wins_of", lambda ids, keys: np.ones((49, DEPTH), np.uint8))
    weights = [10 - 9 * place / (DEPTH - 1) for place in range(DEPTH)]
    deviation = 0.5 * sum(weight**2 for weight in weights) ** 0.5 / sum(weights) / 49**0.5
    found = score_ids([], KEYS)
    assert (found.verdict, found.mean, found.tokens) == ("found", 1.0, 49)
    assert found.z == pytest.approx(0.5 / deviation, abs=0.006)


def test_marked_tokens_are_found_by_their_keys_alone() -> None:
    """Each token is drawn by the paper's rule: the one of two that wins, round by round, in a tournament of sixteen."""
    marked = _tournament(random.Random(5), 160, KEYS, tokens=50_000)
    assert score_ids(marked, KEYS).verdict == "found"
    assert score_ids(marked, keys_of(b"x" * 32)).verdict == "none"


def test_chance_gives_what_a_normal_distribution_has() -> None:
    scores = [score_ids(random.Random(seed).choices(range(50_000), k=200), KEYS).z for seed in range(300)]
    values = [score for score in scores if score is not None]
    assert len(values) == 300
    assert abs(sum(values)) / 300 < 4 / 300**0.5  # a mean of 300 standard normal values
    assert 0.85 < sum(value**2 for value in values) / 300 < 1.17  # chi square of 300, 99 %
    assert max(values) < 5


def _tournament(chance: random.Random, length: int, keys: WatermarkKeys, *, tokens: int) -> list[int]:
    ids = [chance.randrange(tokens) for _ in range(NGRAM_TOKENS - 1)]
    for _ in range(length):
        standing = [chance.randrange(tokens) for _ in range(16)]
        wins = {token: wins_of([*ids[1 - NGRAM_TOKENS :], token], keys)[0] for token in standing}
        for depth in range(4):
            pairs = zip(standing[::2], standing[1::2], strict=True)
            standing = [max(pair, key=lambda token: wins[token][depth]) for pair in pairs]
        ids += standing
    return ids


def test_a_context_counts_once_and_short_texts_say_nothing() -> None:
    assert len(wins_of([1, 2, 3, 4] * 100, KEYS)) == 4
    for count in (0, 4, MIN_TOKENS + NGRAM_TOKENS - 2):
        assert score_ids(range(count), KEYS).verdict == "too_short"
    assert score_ids(range(MIN_TOKENS + NGRAM_TOKENS - 1), KEYS).tokens == MIN_TOKENS


def test_keys_are_all_different_and_the_table_is_fair() -> None:
    assert len(set(KEYS.keys)) == DEPTH
    assert max(KEYS.keys) < TABLE_SIZE
    assert sorted(KEYS.table.tolist()) == [0] * (TABLE_SIZE // 2) + [1] * (TABLE_SIZE // 2)
    assert keys_of(b"x" * 32).table.tolist() != KEYS.table.tolist()


def test_a_file_of_keys_is_ours_alone_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "watermark.key"
    done = CliRunner().invoke(app, ["label", "watermark", "--out", str(path)])
    assert done.exit_code == 0, done.output
    secret = json.loads(path.read_text())["secret"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in done.output
    assert repr(read_watermark_keys(path)) == "WatermarkKeys()"
    with pytest.raises(InputError, match="is there already"):
        make_watermark_keys(path)
    assert read_watermark_keys(path).keys == keys_of(bytes.fromhex(secret)).keys
    path.chmod(0o640)
    with pytest.raises(InputError, match="others can read"):
        read_watermark_keys(path)


@pytest.mark.parametrize(
    "held",
    [
        b"", b"{}", b"[1]", b"\xff\xfe", b"[" * 4000, b'{"scheme": "synthid-text", "secret": "SECRET"}',
        b'{"scheme": "other", "secret": "' + b"ab" * 32 + b'"}', b'{"scheme": "synthid-text", "secret": "abcd"}',
        b'{"scheme": "synthid-text", "secret": "' + b"ab" * 32 + b'", "more": 1}', b" " * 5000,
    ],
)  # fmt: skip
def test_what_is_no_file_of_keys_is_refused_without_a_word_of_it(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(held)
    for mode in (0o600, 0o644):  # other rights would not make keys of it
        path.chmod(mode)
        with pytest.raises(InputError) as caught:
            read_watermark_keys(path)
        assert "SECRET" not in str(caught.value)
        assert "abab" not in str(caught.value)
        assert "chmod" not in str(caught.value) and "qaz label watermark --out" in str(caught.value)


def test_a_folder_is_said_to_be_one_and_an_empty_word_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder, not a file of watermark keys"):
        read_watermark_keys(tmp_path)
    with pytest.raises(InputError, match="--watermark: is empty"):
        _keys_file("")
    assert (_keys_file("off"), _keys_file("/a/b")) == (None, Path("/a/b"))


def test_a_link_to_nothing_and_a_folder_are_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk" / "keys")
    for out, said in ((link, "is a link to"), (tmp_path, "a folder is where a file"), (Path("/proc/keys"), "/proc")):
        with pytest.raises(InputError, match=said) as caught:
            make_watermark_keys(out)
        assert caught.value.exit_code == 2
    assert link.is_symlink() and not link.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """A folder with a tokenizer in which each of 94 printable characters is a token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({chr(33 + number): number for number in range(94)} | {"?": 30}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path / "letters")
    return tmp_path / "letters"


def test_verify_looks_for_the_watermark_beside_labels(tmp_path: Path, letters: Path) -> None:
    keys, text = tmp_path / "watermark.key", tmp_path / "text.txt"
    make_watermark_keys(keys)
    text.write_text("The quick brown fox jumps over the lazy dog, and nobody marked a word of it.")
    command = ["verify", str(text), "--watermark", str(keys)]
    assert isinstance(CliRunner().invoke(app, command).exception, InputError)
    command += ["--tokenizer", str(letters)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 3
    assert "does NOT mean that a person wrote it" in done.output.split("watermark:")[1]
    ids = _tournament(random.Random(7), 160, read_watermark_keys(keys), tokens=94)
    text.write_text("".join(chr(33 + token) for token in ids))
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "watermark: found" in done.output) == (0, True), done.output
