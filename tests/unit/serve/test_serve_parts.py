"""The parts of a gateway alone: events, stop strings, keys, limits, what an engine is told, and what a start refuses."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_engine import make_model_folder
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm.errors import InputError
from qaz_llm.labels.keys import make_keys
from qaz_llm.labels.watermark import make_watermark_keys
from qaz_llm.serve.answers import BadAnswer
from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.engines import generation_config, launch_of
from qaz_llm.serve.events import StopCutter, events_of
from qaz_llm.serve.facts import read_facts
from qaz_llm.serve.keys import read_keys
from qaz_llm.serve.limits import RateLimit
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.run import serve


def events(data: bytes, cut: int) -> list[dict[str, object]]:
    async def chunks() -> AsyncIterator[bytes]:
        for place in range(0, len(data), cut):
            yield data[place : place + cut]

    async def read() -> list[dict[str, object]]:
        return [event async for event in events_of(chunks())]

    return asyncio.run(read())


@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
def test_events_are_the_same_however_they_come(cut: int) -> None:
    said = ["сәлем", "бір\u2028екі", "\x85", "🙂"]  # U+2028 and U+0085 part lines for str.splitlines, not for events
    data = b": a comment\r\n\r\n" + b"".join(
        f"data: {json.dumps({'text': text}, ensure_ascii=False)}\r\n\r\n".encode() for text in said
    )
    assert [event["text"] for event in events(data + b"data: [DONE]\n\ndata: {}\n\n", cut)] == said
    assert [event["text"] for event in events(data, cut)] == said


@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_several_lines_of_an_event_are_one_value(cut: int, end: str) -> None:
    lines = [
        "event: x",
        'data: {"a":',
        "data:  1,",
        "id: 5",
        'data:"b": "екі"}',
        "",
        ": ping",
        "",
        "",
        "data: {}",
        "",
        'data: {"c"',
    ]
    assert events(end.join(lines).encode(), cut) == [{"a": 1, "b": "екі"}, {}], "the last one broke off"


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: " + b"[" * 5000 + b"\n\n", b"data: " + b"a" * (2 << 20)])
def test_events_that_are_none(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        events(data, 1000)


@given(st.text("ab ", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.integers(0, 99))
def test_a_text_in_pieces_is_cut_where_the_whole_one_is(text: str, stops: list[str], seed: int) -> None:
    cutter, made, rng, place = StopCutter(stops), "", random.Random(seed), 0
    while place < len(text):
        step = rng.randint(1, 4)
        made += cutter.feed(text[place : place + step])
        place += step
    made += cutter.flush()
    ends = [found for stop in stops if (found := text.find(stop)) >= 0]
    whole = text[: min(ends)] if ends else text
    # a longer stop string may begin earlier than a shorter one ends: then either is where the text may be cut
    assert made == whole or (
        cutter.is_cut and text.startswith(made) and any(text.startswith(s, len(made)) for s in stops)
    )
    assert cutter.is_cut == bool(ends)


def test_keys_come_from_a_file_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    path.write_text("# кілттер\nоқушы:aaaaaaaaaaaaaaaa\n\nbbbbbbbbbbbbbbbbbb\n", encoding="utf-8")
    with pytest.raises(InputError, match="others can read"):
        path.chmod(0o644)
        read_keys(path)
    path.chmod(0o600)
    monkeypatch.setenv("QAZ_API_KEYS", "env:cccccccccccccccc,")
    keys = read_keys(path)
    assert keys.who("Bearer aaaaaaaaaaaaaaaa") == "оқушы"
    assert keys.who("bearer cccccccccccccccc") == "env"
    assert len(keys.who("Bearer bbbbbbbbbbbbbbbbbb")) == 8
    for wrong in (
        None,
        "",
        "Bearer",
        "Bearer aaaaaaaaaaaaaaab",
        "Basic aaaaaaaaaaaaaaaa",
        "Bearer оқушы:aaaaaaaaaaaaaaaa",
    ):
        with pytest.raises(Refused):
            keys.who(wrong)
    monkeypatch.setenv("QAZ_API_KEYS", "short")
    with pytest.raises(InputError, match="5 characters"):
        read_keys(None)


def test_the_minute_of_a_rate_moves_on() -> None:
    now = [0.0]
    rate = RateLimit(2, clock=lambda: now[0])
    for moment in (0.0, 10.0):
        now[0] = moment
        rate.count("a")
    rate.count("b")
    now[0] = 59.0
    with pytest.raises(Refused) as refused:
        rate.count("a")
    assert refused.value.retry_after_s == pytest.approx(1.0)
    now[0] = 60.5
    rate.count("a")
    with pytest.raises(Refused):
        rate.count("a")


def test_settings_of_the_model_stay_and_those_of_sampling_go_with_it() -> None:
    own = {"do_sample": True, "temperature": 0.6, "top_k": 40, "eos_token_id": 2, "max_length": 20}
    made = generation_config({}, 9, own)
    assert made == {"do_sample": True, "temperature": 0.6, "top_k": 40, "eos_token_id": 2, "max_new_tokens": 9}
    assert generation_config({"temperature": 0.0}, 9, own) == {
        "do_sample": False,
        "eos_token_id": 2,
        "max_new_tokens": 9,
    }
    assert generation_config({"temperature": 1.5}, 9, own)["temperature"] == 1.5


@pytest.mark.parametrize("engine", ["transformers", "vllm", "llama"])
def test_engines_listen_on_the_loopback_address_alone(tmp_path: Path, engine: str) -> None:
    folder = make_model_folder(tmp_path / "m")
    config = ServeConfig.model_validate({"model": folder, "name": "m", "engine": engine, "gguf": folder / "m.gguf"})
    launch = launch_of(config, read_facts(folder, None), 1234)
    if "qaz_llm.serve.llama_process" not in launch.command:  # which listens there alone
        assert launch.command[launch.command.index("--host") + 1] == "127.0.0.1"
    assert (launch.key is not None) == (engine != "transformers")
    assert launch.key not in launch.command, "a command line can be seen by everyone on the machine"


def start(folder: Path, **values: object) -> None:
    serve(ServeConfig.model_validate({"model": folder, "name": "m", "port": 0, **values}))


def test_what_a_start_refuses(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "m")
    with pytest.raises(InputError, match="the weights are missing"):
        start(folder)
    (folder / "model.safetensors").write_bytes(b"")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot listen there"):
            start(folder, port=taken.getsockname()[1])
    with pytest.raises(InputError, match="no keys are asked for"):
        start(folder, host="0.0.0.0")
    with pytest.raises(InputError, match="no engine answers there"):
        start(folder, upstream=("http://127.0.0.1:9",))
    with pytest.raises(InputError, match="is no GGUF"):
        start(folder, engine="llama")
    make_watermark_keys(tmp_path / "mark")
    with pytest.raises(InputError, match="which has no watermark"):
        start(folder, engine="llama", watermark=tmp_path / "mark")
    with pytest.raises(InputError, match="not for vllm"):
        start(folder, engine="vllm", watermark=tmp_path / "mark")
    with pytest.raises(InputError, match="an engine that runs already"):
        start(folder, upstream=("http://127.0.0.1:9",), watermark=tmp_path / "mark")
    with pytest.raises(InputError, match="no such file"):
        start(folder, watermark=tmp_path / "none")
    (folder / "generation_config.json").write_text('{"watermarking_config": {"bias": 0.0}}')
    with pytest.raises(InputError, match="watermarking_config is set"):
        start(folder, watermark=tmp_path / "mark")
    with pytest.raises(InputError, match="has 200 tokens"):
        start(folder, window_tokens=201, upstream=("http://127.0.0.1:9",))
    make_keys(tmp_path / "old", now=datetime.now(UTC) - timedelta(days=500))
    with pytest.raises(InputError, match="certificate ended"):
        start(folder, label_keys=tmp_path / "old")
    with pytest.raises(InputError, match="no model"):
        start(tmp_path)
