"""Addresses as they are shown: no password, no token, wherever a command prints or writes one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qaz_llm.cli.saying import print_traceback, say_error
from qaz_llm.config import config_from_values
from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.identity import model_identity
from qaz_llm.io.secrets import safe_to_show

SECRET = "Qupia1"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://aidar:Qupia1@hub.kz/x", "https://<secret>@hub.kz/x"),
        ("https://Qupia1@hub.kz", "https://<secret>@hub.kz"),
        ("https://aidar:Qu/pia@1@hub.kz/x", "https://<secret>@hub.kz/x"),
        ("https://aidar:Qu'pia1@hub.kz/x", "https://<secret>@hub.kz/x"),
        ("https://hub.kz/x?page=2&token=Qupia1&sort=new", "https://hub.kz/x?page=2&token=<secret>&sort=new"),
        ("https://hub.kz/?api_key=Qupia1", "https://hub.kz/?api_key=<secret>"),
        ("https://hub.kz/#access_token=Qupia1", "https://hub.kz/#access_token=<secret>"),
        ("https://hub.kz/?X-Amz-Signature=Qupia1", "https://hub.kz/?X-Amz-Signature=<secret>"),
    ],
)
def test_what_lets_somebody_in_is_replaced(address: str, shown: str) -> None:
    assert safe_to_show(address) == shown
    assert safe_to_show(f"'{address}' and {address} say no") == f"'{shown}' and {shown} say no"


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co", "http://localhost:8000/v1", "http://[::1]:8000/v1", "https://www.tiktok.com/@qaz",
        "git+https://github.com/org/project@v1", "hf://datasets/org/set@main/a.parquet", "https://a.kz/?key=1&page=abc",
        "a mail to aigul@example.kz about https://a.kz", "server.password: unknown key", "s3://bucket/a@b",
    ],
)  # fmt: skip
def test_all_else_stays(text: str) -> None:
    assert safe_to_show(text) == text


def test_errors_and_tracebacks_are_printed_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError(f"https://aidar:{SECRET}@hub.kz: gone", hint=f"https://hub.kz?token={SECRET}")
    say_error(str(error), 2)
    try:
        raise error
    except InputError:
        print_traceback(*sys.exc_info())  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert said.count("https://<secret>@hub.kz: gone") == 2 and "Traceback" in said and SECRET not in said


def test_the_address_of_a_server_is_written_into_results_without_it(tmp_path: Path) -> None:
    values = {"model": "m", "suite": "demo", "out": str(tmp_path), "server": {"url": f"http://h/v1?key={SECRET}"}}
    config = config_from_values(EvalConfig, values, where="test")
    assert model_identity(config) == "m at http://h/v1?key=<secret>"


def test_an_engines_address_is_refused_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("httpx2")
    from qaz_llm.serve.workers import addresses

    for url in (f"ftp://aidar:{SECRET}@h", f"http://aidar:{SECRET}@h:port"):
        with pytest.raises(InputError) as refused:
            addresses([url])
        say_error(str(refused.value), 2)
    said = capsys.readouterr().err
    assert said.count("<secret>@h") == 2 and SECRET not in said


def test_the_hub_that_is_pushed_to_is_named_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from qaz_llm.model.hub import Push, push

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise OSError("gone")

    api = SimpleNamespace(endpoint=f"https://aidar:{SECRET}@hub.kz", create_repo=refuse)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda **_named: api)
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(Exception, match=r"https://<secret>@hub\.kz: the hub cannot be reached"):
        push(tmp_path, Push("org/model", True, "mit", (), ()))
