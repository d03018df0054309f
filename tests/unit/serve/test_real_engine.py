"""The whole way with the real `transformers serve`, a tiny model with random weights, and an engine killed midway."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fake_engine import make_model_folder

from qaz_llm.cluster.environment import free_port
from qaz_llm.labels.watermark import keys_of
from qaz_llm.labels.watermark_score import score_ids
from qaz_llm.serve.engines import generation_config
from qaz_llm.serve.facts import read_facts

ROOT = Path(__file__).parents[3]


def drill_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serve_drill", ROOT / "scripts" / "serve_drill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["serve_drill"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 256 tokens that are bytes, and no end of text: answers are as long as they may be."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    folder = make_model_folder(tmp_path_factory.mktemp("real") / "model")
    set_seed(3)
    config = LlamaConfig(
        vocab_size=256, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=200, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "generation_config.json").write_text('{"do_sample": false, "pad_token_id": 0}')
    return folder


@pytest.mark.parametrize("sampling", [{"temperature": 1.0}, {"temperature": 0.0}, {}])
def test_whatever_a_request_asks_the_engine_marks(model: Path, sampling: dict[str, float]) -> None:
    """The settings that the gateway sends leave the watermark out, and the model's own in memory have it."""
    import torch
    from transformers import GenerationConfig

    from qaz_llm.serve.marking_process import marking_models, watermark_of

    keys = keys_of(b"s" * 32)
    models = marking_models(watermark_of(keys), force_model=str(model), device="cpu")
    loaded, _ = models.load_model_and_processor(models.process_model_name(str(model)))
    asked = GenerationConfig(**generation_config(sampling, 190, read_facts(model, None).settings))
    torch.manual_seed(1)
    ids = loaded.generate(torch.tensor([[5]]), generation_config=asked)[0, 1:].tolist()
    assert score_ids(ids, keys).verdict == "found"
    assert score_ids(ids, keys_of(b"o" * 32)).verdict == "none"


@pytest.mark.slow
def test_requests_are_answered_while_an_engine_is_killed(model: Path, tmp_path: Path) -> None:
    from argparse import Namespace

    drill = drill_script()
    made = drill.drill(Namespace(model=model, requests=24, workers=1, max_tokens=8, json=None), tmp_path)
    assert made["killed"] == 1
    assert made["is_well"], made
    assert sum(made["outcomes"].values()) == 24


@pytest.mark.slow
def test_the_engine_heeds_what_it_is_asked(model: Path, tmp_path: Path) -> None:
    import os
    import subprocess

    import openai

    drill = drill_script()
    port = free_port()
    command = [sys.executable, "-m", "qaz_llm", "serve", str(model), "--port", str(port), "--name", "tiny"]
    with (tmp_path / "log").open("wb") as log:
        environment = {**os.environ, "QAZ_API_KEYS": drill.KEY, "OMP_NUM_THREADS": "1"}
        gateway = subprocess.Popen(command, stderr=log, env=environment)
    try:
        drill.wait_until_well(f"http://127.0.0.1:{port}", gateway, tmp_path / "log", within_s=drill.START_S)
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=drill.KEY, max_retries=0)

        def said(**values: object) -> str:
            made = client.completions.create(model="tiny", prompt="abc", max_tokens=12, **values)  # type: ignore[call-overload]
            assert made.usage.prompt_tokens == 3
            assert made.usage.completion_tokens == 12
            assert made.choices[0].finish_reason == "length"
            return str(made.choices[0].text)

        assert said() == said(temperature=0)
        assert len({said(temperature=2.0, seed=seed) for seed in range(4)}) > 1, "the model's settings say: no sampling"
        made = client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "Сәлем"}], max_tokens=500
        )
        own = len("[user]Сәлем[assistant]".encode())
        assert made.usage is not None
        assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (own, 200 - own)
    finally:
        gateway.terminate()
        assert gateway.wait(30) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(gateway.pid, 0)
