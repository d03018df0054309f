"""A whole evaluation with scorers that know the answers, so that each figure can be told beforehand."""

from __future__ import annotations

import gzip
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import qaz_llm.evals.opening as opening
import qaz_llm.evals.scoring.remembered as remembered
from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.run import EvalResult, run_eval
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.task import load_task
from qaz_llm.io import embedded_path, read_jsonl, write_jsonl
from qaz_llm.progress import format_duration
from qaz_llm.records import Generated, Request, Scored

BITS = {"kk": 1.0, "ru": 2.0, "en": 3.0}
QUESTIONS = sum(1 for _ in read_jsonl(embedded_path("mc_items.jsonl")))


class Knowing:
    """Right in every answer, except those of `wrong` languages; BITS bits for each byte of a text."""

    def __init__(self, *, wrong: Sequence[str] = (), answer: str = "") -> None:
        rows = list(read_jsonl(embedded_path("mc_items.jsonl")))
        self.right = {
            (row["question"], f" {row['choices'][row['answer']]}"): -1e6 if row["language"] in wrong else -0.001
            for row in rows
        }
        sentences = list(read_jsonl(embedded_path("parallel_sentences.jsonl")))
        self.bits = {row[code].strip(): bits for row in sentences for code, bits in BITS.items()}
        self.answer = answer
        self.requests = 0

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        self.requests += len(requests)
        return [self._scored(request) for request in requests]

    def _scored(self, request: Request) -> Scored:
        num_bytes = len(request.continuation.encode())
        if not request.context:
            return Scored(-self.bits[request.continuation] * num_bytes * math.log(2), 5, num_bytes)
        question = request.context.split(": ", 1)[1].rsplit("\n", 1)[0]
        return Scored(self.right.get((question, request.continuation), -50.0), 1, num_bytes)

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        return [Generated(self.answer)] * len(prompts)


def config(tmp_path: Path, **values: Any) -> EvalConfig:
    return EvalConfig(**{"suite": "demo", "model": "m", "out": tmp_path / "out", "formats": "primary"} | values)


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "items.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> EvalResult:
    return run_eval(config(tmp_path_factory.mktemp("eval")), scorer=Knowing(wrong=("kk",)))


def test_one_row_for_each_item_language_and_metric(done: EvalResult) -> None:
    found = rows(done.out)
    keys = [(row["task"], row["item_id"], row["language"], row["metric"]) for row in found]
    expected = {
        ("qaz_mc", row["item_id"], row["language"], metric)
        for row in read_jsonl(embedded_path("mc_items.jsonl"))
        for metric in ("acc", "acc_per_token", "acc_per_byte")
    }
    expected |= {
        ("qaz_bpb", row["id"], code, "bits_per_byte")
        for row in read_jsonl(embedded_path("parallel_sentences.jsonl"))
        for code in BITS
    }
    assert len(keys) == len(set(keys)) and set(keys) == expected
    primary = {(row["task"], row["metric"]) for row in found if row["primary"]}
    assert primary == {("qaz_mc", "acc_per_byte"), ("qaz_bpb", "bits_per_byte")}


def test_scores_and_gaps_as_told_beforehand(done: EvalResult) -> None:
    parity = json.loads((done.out / "parity.json").read_text(encoding="utf-8"))
    scores, gaps = parity["scores"], parity["gaps"]
    assert {code: s["score"] for code, s in scores["qaz_mc"].items()} == {"kk": 0.0, "ru": 1.0, "en": 1.0}
    for code, bits in BITS.items():
        assert scores["qaz_bpb"][code]["score"] == pytest.approx(bits)
        assert parity["bits_per_byte"][code] == pytest.approx(bits)
    assert {s["n"] for s in scores["qaz_mc"].values()} == {QUESTIONS // 3}
    for by_language in scores.values():
        for score in by_language.values():
            assert {"n", "score", "ci_low", "ci_high"} <= set(score)
    for pairs in gaps.values():
        assert set(pairs) == {"kk-ru", "kk-en"}
        for gap in pairs.values():
            assert {"gap", "ci_low", "ci_high", "p", "p_holm", "minimum_detectable"} <= set(gap)
    assert gaps["qaz_mc"]["kk-ru"]["gap"] == -1.0
    sentences = list(read_jsonl(embedded_path("parallel_sentences.jsonl")))
    mean_bytes = sum(len(row["ru"].strip().encode()) for row in sentences) / len(sentences)
    assert parity["bits_per_sentence"]["ru"] == pytest.approx(2.0 * mean_bytes)
    assert set(parity["data"]) == set(parity["tasks"]) == {"qaz_bpb", "qaz_mc"}
    assert {"torch", "transformers", "qaz-llm"} <= set(parity["versions"])
    assert (parity["model"], parity["suite"]) == ("m", "demo")
    ties = parity["doubts"]["qaz_mc"]["kk"]["tie"]  # wrong in Kazakh by design: all other choices are alike there
    assert ties["of"] == QUESTIONS // 3 and 0 < ties["items"] <= ties["of"]
    assert len(parity["warnings"]) == 1 and "several best choices" in parity["warnings"][0]
    assert parity["tasks"]["qaz_mc"]["items"] == QUESTIONS
    assert done.to_dict()["scores"] == scores
    assert "qaz_mc (acc_per_byte): kk 0.000" in done.describe()
    assert (done.out / "report.html").is_file() and not (done.out / "samples.jsonl").exists()


def test_answers_that_fail_are_wrong_and_counted(tmp_path: Path) -> None:
    passages = [
        {"id": f"q{n}", "title": "т", "context": "Мәтін", "question": f"{n}?", "answers": {"text": ["иә"]}}
        for n in range(30)
    ]
    path = tmp_path / load_task("kazqad").files["kk"]
    path.parent.mkdir()
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, passages)).encode()))
    settings = {"suite": "real_small", "tasks": ("kazqad",), "root": tmp_path}
    for answer, score in (("", 0.0), ("Иә.", 1.0)):
        result = run_eval(config(tmp_path, **settings), scorer=Knowing(answer=answer))
        assert result.parity["scores"]["kazqad"]["kk"]["n"] == 30
        assert result.parity["scores"]["kazqad"]["kk"]["score"] == score
        assert {row["metric"] for row in rows(result.out)} == {"f1", "f1_stems", "exact_match", "bits_per_byte"}


def test_a_task_starts_with_an_estimate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Slow(Knowing):
        """Takes a second of a clock of its own for each ten bytes."""

        now = 0.0

        def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
            Slow.now += sum(len((r.context + r.continuation).encode()) for r in requests) / 10
            return super().loglikelihood(requests)

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO, logger="qaz.eval"):
        patch.setattr(remembered.time, "monotonic", lambda: Slow.now)
        scorer = Slow()
        run_eval(config(tmp_path, tasks=("qaz_bpb",)), scorer=scorer)
    sentences = list(read_jsonl(embedded_path("parallel_sentences.jsonl")))
    total = sum(len(row[code].strip().encode()) for row in sentences for code in BITS)
    assert "qaz_bpb: 216 items in kk, ru, en" in caplog.text
    assert f"216 texts, about {format_duration(total / 10)}" in caplog.text
    assert scorer.requests == 216  # nothing is asked twice for it


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such suite") as caught:
        run_eval(config(tmp_path, suite="demmo"), scorer=Knowing())
    assert "did you mean 'demo'?" in str(caught.value)
    with pytest.raises(InputError, match="suite demo has no task kazqad, sib200") as caught:
        run_eval(config(tmp_path, tasks=("qaz_mc", "sib200", "kazqad")), scorer=Knowing())
    assert "its tasks are: qaz_bpb, qaz_mc" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_missing_data_shows_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        run_eval(config(tmp_path, suite="all", root=tmp_path), scorer=Knowing())
    assert not (tmp_path / "out").exists()


def test_a_part_of_the_items(tmp_path: Path) -> None:
    result = run_eval(config(tmp_path, max_items=4), scorer=Knowing())
    assert {s["n"] for by in result.parity["scores"].values() for s in by.values()} == {4}
    assert result.parity["warnings"] == ["only the first 4 groups of each task were scored"]


# ------------------------------------------------------------------------------------------------------------ resuming


class Interrupted(Exception):
    pass


class Breaking(Knowing):
    def _scored(self, request: Request) -> Scored:
        if request.context:  # the second task of the suite
            raise Interrupted
        return super()._scored(request)


def fake_model(folder: Path, weights: bytes) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text("{}")
    return str(folder)


def test_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def use(scorer: Knowing) -> Knowing:
        monkeypatch.setattr(opening, "load_scorer", lambda _config, _processes: scorer)
        return scorer

    settings = config(tmp_path, model=fake_model(tmp_path / "model", b"1"), samples=False)
    use(Breaking())
    with pytest.raises(Interrupted):
        run_eval(settings)
    assert not (settings.out / "parity.json").exists()

    resumed = use(Knowing())
    first = run_eval(settings)
    assert resumed.requests == QUESTIONS * 4  # the questions, no sentences
    assert first.parity["scores"]["qaz_bpb"]["kk"]["score"] == pytest.approx(1.0)

    again = use(Knowing())
    assert run_eval(settings).parity == first.parity
    assert again.requests == 0

    rescored = use(Knowing(wrong=("kk", "ru", "en")))
    fake_model(tmp_path / "model", b"2")
    changed = run_eval(settings)
    assert rescored.requests == 216 + QUESTIONS * 4
    assert changed.parity["scores"]["qaz_mc"]["kk"]["score"] == 0.0
    assert changed.parity["model_fingerprint"] != first.parity["model_fingerprint"]

    fewer = use(Knowing())
    part = run_eval(config(tmp_path, model=settings.model, max_items=2, samples=False))
    assert fewer.requests == 0 and part.parity["scores"]["qaz_mc"]["kk"]["n"] == 2  # their answers are known


def test_one_changed_item_is_asked_anew_alone(tmp_path: Path) -> None:
    asked: list[Request] = []

    class Counting(Knowing):
        def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
            asked.extend(requests)
            return [Scored(-1.0, 1, 1) for _ in requests]

    questions = [Request("Сұрақ", f" {n}") for n in range(50)]
    kept = tmp_path / "answers.jsonl"
    first = RememberingScorer(Counting, kept).loglikelihood(questions)
    with kept.open("a") as stream:
        stream.write('["cut off by a ki')
    changed = [*questions[:20], Request("Сұрақ ", " 20"), *questions[21:]]
    again = RememberingScorer(Counting, kept).loglikelihood(changed)
    assert again == first
    assert asked == [*questions, changed[20]]


def test_samples_of_an_earlier_model_do_not_stay(tmp_path: Path) -> None:
    settings = config(tmp_path, max_items=2)
    write_jsonl(settings.out / "samples.jsonl", [{"text": "ескі"}])
    run_eval(settings, scorer=Knowing())
    assert not (settings.out / "samples.jsonl").exists()
