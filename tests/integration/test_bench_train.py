"""The training bench runs, over its smallest shape, and counts the same tokens for both contenders."""

import importlib.util
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from qaz_llm.io import embedded_path, read_jsonl, write_jsonl

SCRIPTS = Path(__file__).parents[2] / "scripts"


def load():
    spec = importlib.util.spec_from_file_location("bench_train", SCRIPTS / "bench_train.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_train"] = module  # its frozen records look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_ours_beside_the_bare_loop(tmp_path: Path) -> None:
    bench = load()
    rows = [row | {"language": "kk"} for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    write_jsonl(tmp_path / "documents-00000.jsonl", rows)
    options = Namespace(
        corpus=tmp_path, model=None, shapes=["120k"], contenders=["ours", "bare"], threads=[1], rounds=1, steps=1,
        quick=False, switches=False, gpu=False, override=[], json=None,
    )  # fmt: skip
    (tmp_path / "scratch").mkdir()
    found = list(bench._measure_all(options, tmp_path / "scratch"))
    assert [one.contender for one in found] == ["ours", "bare"]
    assert all(one.tokens_per_step == 8 * 256 and one.tokens_per_cpu_s > 0 and one.peak_bytes > 10**8 for one in found)
    table = list(bench._table(found))
    assert len(table) == 4 and "| 1.00 |" in table[3]


def test_what_is_run_on_a_gpu_are_configs_that_can_be_read() -> None:
    from qaz_llm.config import config_from_values
    from qaz_llm.train.config import TrainConfig

    bench = load()
    shapes = {shape.name: shape for shape in bench.GPU_SHAPES}
    assert shapes.keys() == bench.GPU_RUNS.keys()
    for name, runs in [*bench.GPU_RUNS.items(), *((name, bench.SWITCHES) for name in shapes)]:
        for run in runs.values():
            overrides = run[1] if run and run[0] in bench.CONTENDERS else run
            values = bench.config_of(Path("model"), Path("kk.jsonl"), shapes[name], Path("cache"), Path("run"), steps=1)
            config_from_values(TrainConfig, values, where="bench", overrides=list(overrides))
