"""What is counted and decided while a model is trained, by hand arithmetic."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from qaz_llm.cluster.environment import Environment
from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.rows.config import MixEntry
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.batches.loss import share_of_step
from qaz_llm.train.config import TrainConfig, TrainSettings, WatchConfig
from qaz_llm.train.watching import clock as clock_module
from qaz_llm.train.watching import metrics_callback, overlap
from qaz_llm.train.watching.best import Best, best_of
from qaz_llm.train.watching.clock import PhaseClock, timed
from qaz_llm.train.watching.curve import sparkline
from qaz_llm.train.watching.metrics_callback import Counts, MetricsCallback
from qaz_llm.train.watching.part_losses import PartLosses, by_language_and_source
from qaz_llm.train.watching.rank_times import RankTimes
from qaz_llm.train.watching.row import in_words
from qaz_llm.train.watching.samples import first_words, prompt_ids
from qaz_llm.train.watching.trackers import check_trackers, hyperparameters, numbers_of, open_trackers, telling

ENTRIES = (
    MixEntry(name="a", path="x", language="kk", source="wiki"),
    MixEntry(name="b", path="x", language="ru", source="wiki"),
    MixEntry(name="c", path="x", language="kk"),
)

# ------------------------------------------------------------------------------------------------ loss by part


def test_losses_by_part_are_those_of_each_token_alone() -> None:
    """Three micro-batches against a loop over tokens; the parts add up to the loss that is learned from."""
    torch.manual_seed(0)
    losses, step_tokens = PartLosses(ENTRIES), 40
    expected = dict.fromkeys(range(3), (0.0, 0))
    shares = 0.0
    for parts in ([0, 1], [1, 2], [0, 0]):
        logits_BLV = torch.randn(2, 6, 11)
        labels_BL = torch.randint(0, 11, (2, 6))
        labels_BL[torch.rand(2, 6) < 0.3] = IGNORE_INDEX
        losses.next_batch(torch.tensor(parts))
        share = losses({"logits": logits_BLV}, labels_BL, step_tokens)
        assert torch.equal(share, share_of_step({"logits": logits_BLV}, labels_BL, step_tokens))
        shares += float(share)
        for row, part in enumerate(parts):
            for position in range(5):
                label = int(labels_BL[row, position + 1])
                if label != IGNORE_INDEX:
                    nll = -float(logits_BLV[row, position].log_softmax(0)[label])
                    expected[part] = (expected[part][0] + nll, expected[part][1] + 1)
    sums = losses.take()
    for part, (nats, tokens) in expected.items():
        assert sums[part] == (pytest.approx(nats, rel=1e-6), tokens)
    assert math.fsum(nats for nats, _ in sums) == pytest.approx(shares * step_tokens, rel=1e-6)
    assert losses.take() == []  # begun anew


def test_gradients_are_not_touched() -> None:
    logits = torch.randn(1, 4, 5, requires_grad=True)
    labels = torch.tensor([[1, 2, IGNORE_INDEX, 3]])
    losses = PartLosses(ENTRIES)
    losses.next_batch(torch.tensor([1]))
    losses({"logits": logits}, labels, 2).backward()
    plain = logits.detach().clone().requires_grad_()
    torch.nn.functional.cross_entropy(plain[0, [0, 2]], torch.tensor([2, 3]), reduction="sum").div(2).backward()
    torch.testing.assert_close(logits.grad, plain.grad, atol=1e-7, rtol=0)


def test_batches_that_do_not_say_their_parts_count_nowhere() -> None:
    losses = PartLosses(ENTRIES)
    losses({"logits": torch.zeros(1, 2, 3)}, torch.tensor([[0, 1]]), 1)
    assert losses.take() == [] and by_language_and_source(ENTRIES, []) == {}


def test_languages_and_sources_by_hand() -> None:
    found = by_language_and_source(ENTRIES, [(6.0, 3), (2.0, 1), (3.0, 4)])
    assert found == {
        "learned_tokens": 8,
        "languages": {"kk": {"loss": 9 / 7, "learned_tokens": 7}, "ru": {"loss": 2.0, "learned_tokens": 1}},
        "sources": {"wiki": {"loss": 2.0, "learned_tokens": 4}, "c": {"loss": 0.75, "learned_tokens": 4}},
    }
    unstated = [MixEntry(name="x", path="p"), MixEntry(name="y", path="p")]
    assert by_language_and_source(unstated, [(1.0, 1), (0.0, 0)]) == {
        "learned_tokens": 1, "sources": {"x": {"loss": 1.0, "learned_tokens": 1}},
    }  # fmt: skip


def test_a_batch_says_the_parts_of_its_rows() -> None:
    row = {"input_ids": [5, 6], "labels": [-100, 6], "position_ids": [0, 1]}
    for collator in (Collator(), Collator(packs=False), Collator(attention="flash_attention_2")):
        batch = collator([row | {"part": 2}, row | {"part": 0}])
        assert batch["part_B"].tolist() == [2, 0]
        assert "part_B" not in collator([row])


# ---------------------------------------------------------------------------------------------------- rows, speed


class Time:
    """A clock that stands until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        for module in (clock_module, metrics_callback):
            monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def passes(self, seconds: float) -> None:
        self.now += seconds


def test_speed_leaves_saving_and_evaluation_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    time, clock, told = Time(monkeypatch), PhaseClock(), []
    status = SimpleNamespace(phase=lambda _: None, set=lambda **_: None)
    alone = RankTimes(Environment(), device="cpu")
    watch = SimpleNamespace(clock=clock, status=status, losses=PartLosses(()), times=alone)
    counts = Counts(
        lambda step: 100 * step, tokens_before=500, seconds_before=60.0, flops_per_token=6.0, peak_flops=1e4
    )
    callback = MetricsCallback(tmp_path / "metrics.jsonl", counts, watch, [lambda *it: told.append(it)])
    args = SimpleNamespace(world_size=2)
    state = SimpleNamespace(global_step=2, max_steps=6, is_world_process_zero=True)
    control = SimpleNamespace(should_log=False)
    time.passes(50.0)  # loading
    callback.on_train_begin(args, state, control)

    def step(number: int, seconds: float, **apart: float) -> None:
        time.passes(seconds)
        state.global_step = number
        callback.on_step_end(args, state, control)
        for name, spent in apart.items():
            with clock.phase(name):
                time.passes(spent)

    step(3, 2.0, saving=30.0, sampling=4.0)
    step(4, 3.0, evaluation=7.0)
    callback.on_log(args, state, control, {"loss": 2.0, "learning_rate": 0.1, "grad_norm": 1.5})
    step(5, 1.0)
    callback.on_log(args, state, control, {"loss": 1.0, "learning_rate": 0.1})
    first, second = (json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert first["tokens_per_s"] == (300 + 400) / 5.0  # not of 46 s
    assert (first["saving_s"], first["evaluation_s"], first["sampling_s"]) == (30.0, 7.0, 4.0)
    assert first["mfu_frac"] == pytest.approx(140 * 6 / 1e4 / 2)
    assert (first["seconds"], first["tokens"]) == (60 + 46, 500 + 700)
    assert second["tokens_per_s"] == 500.0 and second["saving_s"] == 0.0
    assert told[0][1] == pytest.approx(46 / 2 * 2)  # time left has saving and evaluation in it
    assert told[1] == (second, pytest.approx(47 / 3 * 1))


def test_a_phase_counts_and_is_told_also_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    time, phases = Time(monkeypatch), []

    class Saver:
        clock = PhaseClock(phases.append)

        @timed("saving")
        def save(self, value: int) -> int:
            time.passes(3.0)
            return 10 // value

    assert Saver().save(5) == 2
    with pytest.raises(ZeroDivisionError):
        Saver().save(0)
    assert Saver.clock.seconds == {"saving": 6.0, "evaluation": 0.0, "sampling": 0.0}
    assert phases == ["saving", "training"] * 2


def test_a_row_in_words() -> None:
    row = {"step": 20, "loss": 2.5, "lr": 3e-4, "grad_norm": 0.812, "tokens_per_s": 10400.4, "mfu_frac": 0.414}
    row["languages"] = {"kk": {"loss": 2.111}, "ru": {"loss": 3.0}}
    assert in_words(row, steps=1000, left_s=200) == (
        "step 20/1,000: loss 2.5000 (kk 2.11, ru 3.00), lr 3.0e-04, gradient norm 0.81, 10,400 tokens/s, MFU 41 %, "
        "3 min 20 s left"
    )


def test_a_curve_in_blocks() -> None:
    assert sparkline([4, 3, 2, 1]) == "█▆▃▁"
    assert sparkline([1.0, math.nan, 1.0]) == "▁▁" and sparkline([]) == ""
    assert sparkline([8, 6, 1, 1], width=2) == "█▁"


# ------------------------------------------------------------------------------------------------- best, early end


def rows(*values: float) -> list[dict[str, float]]:
    return [{"step": 10 * n, "kk": value, "ru": 3 - value} for n, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("values", "min_gain", "step", "since"),
    [
        ((1.9, 1.8, 1.81, 1.79, 1.8, 1.8), 0.0, 40, 2), ((1.9, 1.8, 1.81, 1.79, 1.8, 1.8), 0.05, 20, 4),
        ((1.9,), 0.0, 10, 0), ((1.9, 1.9), 0.0, 10, 1), ((math.nan, 2.0, math.nan), 0.0, 20, 1),
    ],
)  # fmt: skip
def test_the_best_by_hand(values: tuple[float, ...], min_gain: float, step: int, since: int) -> None:
    settings = WatchConfig(keep_best="kk", min_gain=min_gain)
    assert best_of(rows(*values), settings) == Best("kk", step, values[step // 10 - 1], since)


def test_mean_and_names_that_are_not_there() -> None:
    changed = [{"step": 5, "old": 0.1}, *rows(1.0, 2.0)]
    assert best_of(changed, WatchConfig(keep_best="mean")) == Best("mean", 10, 1.5, 1)
    assert best_of(changed, WatchConfig(keep_best="ru")) == Best("ru", 20, 1.0, 0)
    with pytest.raises(ConfigError, match="no number 'en', it has kk, ru"):
        best_of(changed, WatchConfig(keep_best="en"))
    assert best_of([], WatchConfig(keep_best="kk")) is None and best_of(changed, WatchConfig()) is None


def test_keys_that_need_each_other() -> None:
    for values, words in (
        ({"watch": {"patience": 2}}, "patience needs keep_best"),
        ({"watch": {"final_model": "best"}}, "final_model best needs keep_best"),
        ({"watch": {"keep_best": "kk"}}, "needs eval_every_steps"),
    ):
        with pytest.raises(ConfigError, match=words):
            config_from_values(TrainSettings, {"method": "cpt", **values}, where="test")


# ----------------------------------------------------------------------------------------------------- samples


def test_the_first_words() -> None:
    assert first_words("а б в г") == "а б" and first_words("сөз") == "сөз"
    assert first_words(" ".join("абвгдежзийклмнопрс")) == "а б в г д е ж з"


def test_a_prompt_begins_with_the_start_token() -> None:
    tokenizer: Any = SimpleNamespace(bos_token_id=None, eos_token_id=7, encode=lambda text, **_: [len(text)])
    assert prompt_ids(tokenizer, "сөз", chat=False) == [7, 3]


# ---------------------------------------------------------------------------------------------------- trackers


def config(run_dir: Path, **watch: Any) -> TrainConfig:
    values = {
        "run_dir": str(run_dir), "method": "cpt", "model": {"checkpoint": "/home/aigerim/model"},
        "data": {"mix": [{"name": "kk", "path": "/home/aigerim/text.txt"}]},
        "lr": 3e-4, "watch": {"prompts": ["Менің атым Айгерім"], **watch}, "heldout": {"kk": "/home/aigerim/held.txt"},
        "distributed": {"deepspeed": "/home/aigerim/zero.json"},
    }  # fmt: skip
    return config_from_values(TrainConfig, values, where="test")


def test_what_is_sent_has_no_paths_and_no_texts(tmp_path: Path) -> None:
    sent = json.dumps(hyperparameters(config(tmp_path)), ensure_ascii=False)
    assert '"lr": 0.0003' in sent and '"mix": {"kk": 1.0}' in sent
    assert "aigerim" not in sent and "Айгерім" not in sent and str(tmp_path) not in sent


def test_a_package_that_is_not_there_is_one_message() -> None:
    with pytest.raises(ConfigError, match="qaz_no_such is not installed") as caught:
        check_trackers(["json", "qaz_no_such"])
    assert "pip install qaz_no_such" in str(caught.value)


def test_numbers_of_a_row() -> None:
    row = {"step": 3, "loss": 2.0, "lr": math.inf, "languages": {"kk": {"loss": 1.5}}, "note": "x"}
    assert numbers_of(row) == {"loss": 2.0, "languages/kk/loss": 1.5}


def test_wandb_stays_offline_and_goes_on_as_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    logged: list[tuple[int, dict[str, float]]] = []
    run = SimpleNamespace(
        log=lambda numbers, step: logged.append((step, numbers)), finish=lambda: logged.append((-1, {}))
    )
    fake = ModuleType("wandb")
    fake.Settings = lambda **options: options  # type: ignore[attr-defined]
    fake.init = lambda **options: calls.append(options) or run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    for first_step in (0, 5):
        settings = config(tmp_path, report_to=["wandb"])
        with open_trackers(settings, run_id="r-1", first_step=first_step) as (tracker,):
            telling(tracker)({"step": first_step + 1, "loss": 2.0}, None)
    assert [(c["mode"], c["id"], c["resume"]) for c in calls] == [("offline", "r-1", "allow")] * 2
    assert calls[0]["settings"]["x_disable_meta"] and calls[0]["settings"]["disable_git"]
    assert logged == [(1, {"loss": 2.0}), (-1, {}), (6, {"loss": 2.0}), (-1, {})]


# ------------------------------------------------------------------------------------- held-out text that is trained on


def packed(tokens: np.ndarray, seq_len: int = 16) -> Any:
    padded = np.zeros(-(-len(tokens) // seq_len) * seq_len, np.int32)
    padded[: len(tokens)] = tokens
    return SimpleNamespace(tokens_RL=padded.reshape(-1, seq_len))


def test_held_out_text_in_the_rows_is_found_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a search token by token, with chunks and rows that the texts straddle."""
    monkeypatch.setattr(overlap, "CHUNK_TOKENS", 64)
    generator = np.random.default_rng(0)
    rows = [generator.integers(1, 9, 700), generator.integers(1, 9, 300)]  # few different tokens: many near misses
    texts = [rows[0][n : n + length] for n, length in ((0, 9), (60, 30), (640, 60), (5, 4))]
    texts += [rows[1][200:240], generator.integers(1, 9, 20), np.concatenate([rows[0][10:30], [99]])]
    tokenizer: Any = SimpleNamespace(encode=lambda text, **_: [int(i) for i in text.split()])
    heldout = {"kk": [" ".join(map(str, text)) for text in texts], "ru": ["1 2", " ".join(map(str, range(100, 120)))]}

    def is_in(text: np.ndarray) -> bool:
        ids = list(text[1 : 1 + overlap.COMPARED_TOKENS])
        return any(list(row[n : n + len(ids)]) == ids for row in rows for n in range(len(row)))

    found = overlap.find_overlaps(heldout, tokenizer, [packed(row) for row in rows])
    expected = sum(is_in(text) for text in texts if len(text) > overlap.KEY_TOKENS)
    assert expected == 4
    assert found == {"kk": overlap.Overlap(7, expected, 1), "ru": overlap.Overlap(2, 0, 1)}
    words = found["kk"].in_words("kk", overlap.what_was_searched([packed(rows[0])]))
    assert words == (
        "held-out kk: 4 of 7 texts are also in the training data, so its numbers are too good; 1 too short to tell "
        "(all rows were looked at)"
    )


def test_trackio_writes_below_the_run_and_prints_nothing_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[Any] = []
    fake = ModuleType("trackio")
    fake.init = lambda **options: (print("* hello"), calls.append(options))  # type: ignore[attr-defined]
    fake.log = lambda numbers, step: calls.append((step, numbers))  # type: ignore[attr-defined]
    fake.finish = lambda: (print("* bye"), calls.append("end"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackio", fake)
    monkeypatch.setenv("TRACKIO_DIR", "")
    monkeypatch.delenv("TRACKIO_DIR")
    with open_trackers(config(tmp_path, report_to=["trackio"]), run_id="r-1", first_step=0) as (tracker,):
        tracker.log(3, {"loss": 2.0})
    assert os.environ["TRACKIO_DIR"] == str((tmp_path / "trackers/trackio").resolve())
    assert calls[1:] == [(3, {"loss": 2.0}), "end"] and not calls[0]["auto_log_cpu"]
    said = capsys.readouterr()
    assert said.out == "" and "* hello" in said.err


def test_a_tracker_that_fails_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def log(step: int, _numbers: Any) -> None:
        steps.append(step)
        if step == 2:
            raise ConnectionError("no route")

    tell = telling(SimpleNamespace(log=log))  # type: ignore[arg-type]
    for step in (1, 2, 3):
        tell({"step": step, "loss": 1.0}, None)
    assert steps == [1, 2]
    broken = ModuleType("wandb")  # without what is asked of it
    monkeypatch.setitem(sys.modules, "wandb", broken)
    with (
        pytest.raises(ConfigError, match="wandb could not be started"),
        open_trackers(config(tmp_path, report_to=["wandb"]), run_id="r", first_step=0),
    ):
        pass
