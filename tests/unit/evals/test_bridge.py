"""To lm-evaluation-harness and back: its tasks hold our bytes, its log gives our scores; and, where it is installed, it agrees with our own scorer.

The slow test runs it in an environment of its own: set QAZ_LM_EVAL_PYTHON to that environment's python.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.asking import score_task
from qaz_llm.evals.bridge.package import MANIFEST, start_token_of, write_package
from qaz_llm.evals.bridge.samples import import_samples
from qaz_llm.evals.config import EvalSettings
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.prompts.render import render_requests
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.evals.task import load_task
from qaz_llm.io import read_json, read_jsonl, write_json, write_jsonl
from qaz_llm.records import Request, Scored

SETTINGS = EvalSettings(suite="demo", max_items=6)
PYTHON = os.environ.get("QAZ_LM_EVAL_PYTHON") or (sys.executable if importlib.util.find_spec("lm_eval") else "")


class ByLength:
    """A scorer with a rule that a log can be made from: a fixed price for each character, and a little for each letter's number."""

    def loglikelihood(self, requests: list[Request]) -> list[Scored]:
        return [Scored(self.price(r.context, r.continuation), 1, len(r.continuation.encode())) for r in requests]

    def price(self, context: str, continuation: str) -> float:
        return -0.7 * len(continuation) - 0.001 * (sum(map(ord, context + continuation)) % 997)


def log_of(package: Path, folder: Path) -> None:
    """What lm-evaluation-harness 0.4.13 writes with --log_samples, answered by `ByLength`."""
    price = ByLength().price
    for part in read_json(package / MANIFEST)["parts"]:
        samples = []
        for number, row in enumerate(read_jsonl(package / part["file"])):
            asked = [(row["context"], c) for c in row["choices"]] if "context" in row else [("", row["text"])]
            responses = [[[str(price(*pair)), "False"]] for pair in asked]
            arguments = {
                f"gen_args_{n}": {f"arg_{i}": text for i, text in enumerate(pair)} for n, pair in enumerate(asked)
            }
            samples.append({"doc_id": number, "doc": row, "arguments": arguments, "resps": responses, "filter": "none"})
        write_jsonl(folder / f"samples_{part['name']}_2026-11-30T05-00-00.jsonl", reversed(samples))
    write_json(
        folder / "results_2026-11-30T05-00-00.json", {"lm_eval_version": "0.4.13", "config": {"model_args": "m"}}
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bridge") / "package"
    write_package(SETTINGS, folder)
    return folder


def test_the_package_holds_the_bytes_that_we_ask(package: Path) -> None:
    task = load_task("qaz_mc")
    items = load_items(task, max_items=6)
    for way in ("text", "letters"):
        for code in task.languages:
            values = YAML(typ="safe").load((package / f"qaz_qaz_mc_{code}_{way}.yaml").read_text(encoding="utf-8"))
            rows = list(read_jsonl(Path(values["dataset_kwargs"]["data_files"]["test"])))
            wanted = [render_requests(task, item, scoring=way) for item in items if item.language == code]  # type: ignore[arg-type]
            assert [
                tuple(Request(row[values["doc_to_text"]], c) for c in row[values["doc_to_choice"]]) for row in rows
            ] == wanted
            assert [row[values["doc_to_target"]] for row in rows] == [i.answer for i in items if i.language == code]
            assert values["target_delimiter"] == "" and values["metadata"]["version"] == task.version
    text = YAML(typ="safe").load((package / "qaz_qaz_bpb_kk.yaml").read_text(encoding="utf-8"))
    assert (text["output_type"], text["doc_to_text"], text["doc_to_target"]) == ("loglikelihood", "", "text")


def test_its_log_gives_the_scores_of_our_own_scorer(package: Path, tmp_path: Path) -> None:
    log_of(package, tmp_path / "log")
    parity = import_samples(package, tmp_path / "log", tmp_path / "out", model="m")
    found = {
        (row["task"], row["language"], row["item_id"], row["metric"]): row
        for row in read_jsonl(tmp_path / "out" / "items.jsonl")
    }
    wanted: dict[tuple[str, str, str, str], Any] = {}
    for name in ("qaz_mc", "qaz_bpb"):
        task = load_task(name)
        rows = score_task(task, load_items(task, max_items=6), ByLength(), both=True)  # type: ignore[arg-type]
        wanted |= {(row.task, row.language, row.item_id, row.metric): row for row in rows}
    absent = {"acc_per_token", "acc_unconditional"}  # a log has no tokens, and the choices were not asked for alone
    wanted = {key: row for key, row in wanted.items() if key[3] not in absent}
    assert set(found) == set(wanted) and len(wanted) == 6 * 3 * 4
    for key, row in wanted.items():
        assert found[key]["score"] == pytest.approx(row.score), key
        assert found[key]["detail"].get("prediction") == row.detail.get("prediction")
    assert parity["tasks"]["qaz_mc"]["metric"] == "acc_per_byte" and parity["scores"]["qaz_mc"]["kk"]["n"] == 6
    assert parity["gaps"]["qaz_mc"]["kk-ru"]["n"] == 6 and parity["setting"]["harness"] == "lm-eval 0.4.13"
    assert "acc_per_byte" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_was_asked_otherwise_is_refused(package: Path, tmp_path: Path) -> None:
    log_of(package, tmp_path / "log")
    log = tmp_path / "log" / "samples_qaz_qaz_mc_kk_text_2026-11-30T05-00-00.jsonl"
    rows = list(read_jsonl(log))
    rows[0]["arguments"]["gen_args_0"]["arg_0"] = "<|user|>" + rows[0]["arguments"]["gen_args_0"]["arg_0"]
    write_jsonl(log, rows)
    with pytest.raises(DataError, match=r"something else was asked than qaz_qaz_mc_kk_text has: '<\|user\|>"):
        import_samples(package, tmp_path / "log", tmp_path / "out", model="m")


def test_items_without_an_answer_are_said_and_runs_not_mixed(package: Path, tmp_path: Path) -> None:
    log_of(package, tmp_path / "log")
    log = tmp_path / "log" / "samples_qaz_qaz_mc_kk_text_2026-11-30T05-00-00.jsonl"
    write_jsonl(log, list(read_jsonl(log))[2:])
    parity = import_samples(package, tmp_path / "log", tmp_path / "out", model="m")
    assert "qaz_qaz_mc_kk_text: 2 of 6 items have no answer there, and are in no score" in parity["warnings"]
    log.with_name("samples_qaz_qaz_mc_kk_text_2026-12-01T05-00-00.jsonl").write_bytes(log.read_bytes())
    with pytest.raises(InputError, match="samples of 2 runs of qaz_qaz_mc_kk_text"):
        import_samples(package, tmp_path / "log", tmp_path / "out", model="m")
    with pytest.raises(InputError, match="no samples of the tasks"):
        import_samples(package, tmp_path / "none", tmp_path / "out", model="m")
    with pytest.raises(InputError, match=r"no package\.json there"):
        import_samples(tmp_path, tmp_path / "log", tmp_path / "out", model="m")


def test_contexts_begin_with_a_start_token_where_it_would_have_none(
    model_dir: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    assert tokenizer("а")["input_ids"][0] == tokenizer.bos_token_id and start_token_of(str(model_dir)) == ""
    write_package(EvalSettings(suite="demo", tasks=("qaz_mc",), max_items=1), tmp_path, start_token="<|bos|>")
    values: Mapping[str, Any] = read_json(tmp_path / MANIFEST)
    for part in values["parts"]:
        (row,) = read_jsonl(tmp_path / part["file"])
        assert row["context"].startswith("<|bos|>")


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="needs lm-evaluation-harness: set QAZ_LM_EVAL_PYTHON")
def test_it_agrees_with_our_scorer(package: Path, model_dir: Path, model: Any, tokenizer: Any, tmp_path: Path) -> None:
    """Log-probabilities within 1e-4, and the same choices."""
    command = [PYTHON, "-m", "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={model_dir},dtype=float32"]
    command += ["--include_path", str(package), "--tasks", "qaz_demo", "--device", "cpu", "--batch_size", "8"]
    command += ["--output_path", str(tmp_path / "log"), "--log_samples"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    import_samples(package, tmp_path / "log", tmp_path / "out", model="m")
    theirs = {
        (row["task"], row["language"], row["item_id"], row["metric"]): row
        for row in read_jsonl(tmp_path / "out" / "items.jsonl")
    }
    compared = 0
    for name in ("qaz_mc", "qaz_bpb"):
        task = load_task(name)
        for row in score_task(task, load_items(task, max_items=6), HFScorer(model, tokenizer), both=True):
            other = theirs.get((row.task, row.language, row.item_id, row.metric))
            if other is not None and not row.detail.get("doubts"):
                assert other["score"] == pytest.approx(row.score, abs=1e-4 if name == "qaz_mc" else 1e-3)
                assert other["detail"].get("logprobs", []) == pytest.approx(row.detail.get("logprobs", []), abs=2e-4)
                compared += 1
    assert compared > 60, json.dumps(sorted(map(str, theirs)))[:500]
