"""Rows are there before processes meet: the first makes them, the others wait on the disk, and no longer than they may."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preemption import LostError
from qaz_llm.config import config_from_values
from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl, write_jsonl
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import TrainPlan, make_plan
from qaz_llm.train.start import waiting
from qaz_llm.train.start.prepare import open_prepared, prepare_files
from qaz_llm.train.start.tokenize import Files, make_files, tokenize
from qaz_llm.train.start.waiting import make_files_first, wait_for


def plan_of(tmp_path: Path, rank: int, **values: Any) -> TrainPlan:
    data = {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}], "workers": 1}
    config = {
        "method": "pretrain", "run_dir": str(tmp_path / "run"), "seq_len": 64, "data": data,
        "model": {
            "train_vocab_size": 400,
            "architecture": {"hidden_size": 16, "intermediate_size": 16, "num_layers": 1, "num_heads": 2},
        },
    } | values  # fmt: skip
    environment = Environment(world_size=2, rank=rank, local_rank=rank, local_world_size=2, launcher="torchrun")
    return make_plan(config_from_values(TrainConfig, config, where="test"), environment)


def test_the_first_process_makes_the_files_and_the_others_wait_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.01)
    ended: list[float] = []
    second = plan_of(tmp_path, rank=1)  # here, since two threads cannot import transformers at once
    other = threading.Thread(target=lambda: (make_files_first(second), ended.append(time.monotonic())))
    other.start()
    time.sleep(0.3)
    assert not ended
    first = plan_of(tmp_path, rank=0)
    make_files_first(first)
    made = time.monotonic()
    other.join(timeout=30)
    assert ended and ended[0] > made - 5
    assert Files(first.config).are_there
    make_files_first(plan_of(tmp_path, rank=1))  # nothing to wait for


def test_alone_nothing_is_made_beforehand(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, rank=0)
    make_files_first(replace(plan, environment=Environment()))
    assert not (tmp_path / "run").exists()


def test_who_waits_in_vain_says_what_was_missed(tmp_path: Path) -> None:
    files = Files(plan_of(tmp_path, rank=1).config)
    started = time.monotonic()
    with pytest.raises(LostError, match="no sign of the first process") as caught:
        wait_for(lambda: False, lambda: 0, files, timeout_s=0.1, look_s=0.01)
    assert "a disk that all nodes see" in str(caught.value.hint)
    assert time.monotonic() - started < 5
    signs = iter(range(30))
    with pytest.raises(StopIteration):  # signs that change keep it waiting
        wait_for(lambda: False, lambda: next(signs), files, timeout_s=0.001, look_s=0.005)


def test_a_recipe_is_counted_once_and_anew_for_another_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]

    def write(count: int) -> None:
        rows = [{"text": text, "language": "kk", "source": f"s{n % 2}"} for n, text in enumerate(texts[:count])]
        write_jsonl(tmp_path / "corpus" / "documents-00000.jsonl.zst", rows)

    (tmp_path / "corpus").mkdir()
    write(30)
    data = {"recipe": {"corpus": str(tmp_path / "corpus")}, "workers": 1}
    config = plan_of(tmp_path, rank=0, data=data).config
    waits = Files(config)
    assert not waits.are_there
    prepared = make_files(config)
    assert [entry.name for entry in prepared.entries] == ["kk.s0", "kk.s1"]
    monkeypatch.setattr("qaz_llm.train.start.tokenize.count_parts", lambda *a, **k: pytest.fail("counted again"))
    assert make_files(config) == prepared
    assert Files(config).are_there
    monkeypatch.undo()
    write(31)
    assert not Files(config).are_there
    assert make_files(config).datasets != prepared.datasets


def test_a_training_takes_the_rows_that_were_made_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path, rank=0)
    made = tokenize(plan.config)
    assert made.missing_bytes == 0
    monkeypatch.setattr("qaz_llm.rows.maker.RowMaker.make", lambda *a: pytest.fail("made again"))
    run = open_prepared(plan, prepare_files(plan))
    assert [str(part.folder) for part in run.rows.parts] == [facts["folder"] for facts in made.sets]
    assert tokenize(plan.config, dry_run=True).to_dict()["sets"] == made.sets


def test_a_share_does_not_train_the_tokenizer(tmp_path: Path) -> None:
    from qaz_llm.data.share import Share

    with pytest.raises(InputError, match="the tokenizer has not been trained"):
        make_files(plan_of(tmp_path, rank=0).config, share=Share(0, 2))
