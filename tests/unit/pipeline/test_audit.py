"""An audit's folder: what of a run is in it, what is missing and said so, and nothing of the machine."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import InputError, WorkError
from qaz_llm.io import sha256_of
from qaz_llm.io.machine import paths_in
from qaz_llm.pipeline.audit.build import build_audit
from qaz_llm.pipeline.audit.energy import estimate_energy
from qaz_llm.pipeline.audit.words import ALL, Words

HOST, USER = "gpu-node-17", "aigulzhan"


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def manifest(run_dir: Path) -> dict[str, Any]:
    source = {"licence": "CC-BY-4.0", "in": 12, "out": 9, "dropped": {"too_short": 3}}
    return {
        "kind": "qaz data build",
        "sources": {"news": source},
        "conversations": {"sources": {"talks": {"licence": "CC0-1.0", "in": 5, "out": 5, "dropped": {}}}},
        "dropped": {"too_short": 3},
        "pii": {"iin": 7},
        "decontamination": {"hits": {"files": {"flores.jsonl": {"items": 40, "items_hit": 2}}}},
        "config": {"root": f"/home/{USER}/corpora", "out": f"{run_dir}/corpus"},
    }


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run as `qaz run` leaves it, as far as an audit reads it, full of what tells of a machine."""
    run = tmp_path / "run"
    write(run / "config.yaml", f"run_dir: {run}\nuser: {USER}\nmodel: /data/models/base\n")
    write(run / "run.json", {"packages": {"torch": "2.13"}, "environment": f"1 node, on {HOST}"})
    write(run / "status.json", {"state": "done", "host": HOST, "sittings": [{"host": "gpu-node-18"}]})
    write(run / "corpus/manifest.json", manifest(run))
    write(run / "corpus/README.md", f"# Data\n\nMade on {HOST} and gpu-node-18 from ~/corpora/kk by {USER}.\n")
    write(run / "corpus/licences.json", {"kind": "qaz licence ledger"})
    write(run / "corpus/documents-00000.jsonl.zst", "texts stay where they are")
    write(run / "model/README.md", "---\nlicense: cc-by-4.0\n---\n# Model\n")
    write(run / "model/config.json", {"_name_or_path": f"{run}/cpt/model"})
    write(run / "model/model.safetensors", "weights")
    score = {"n": 40, "score": 1.5, "ci_low": 1.4, "ci_high": 1.6, "metric": "bits_per_byte"}
    write(run / "eval/adapted/parity.json", {"model": f"{run}/model", "scores": {"qaz_bpb": {"kk": score}}})
    write(run / "stages/cpt.json", {"stage": "cpt", "seconds": 7200.0, "host": HOST, "pid": 4711})
    write(run / "cpt/run.json", {"plan": {"world_size": 8, "device_name": "NVIDIA H200"}})
    write(run / "cpt/config.yaml", f"base: {run}/pretrain/model\n")
    return run


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", USER)


def all_text(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())


def page_of(folder: Path) -> str:
    return html.unescape((folder / "index.html").read_text())


def test_nothing_in_it_tells_of_the_machine(run_dir: Path, tmp_path: Path) -> None:
    made = build_audit(run_dir, tmp_path / "audit", key=tmp_path / "key.pem")
    text = all_text(made.path)
    assert list(paths_in(text)) == []
    for name in (HOST, "gpu-node-18", USER, str(tmp_path), "/home/", "/data/", "4711"):
        assert name not in text, name
    assert made.replaced["host"] == 3 and made.replaced["user"] == 2 and made.replaced["path"] >= 7
    assert json.loads((made.path / "evaluation/eval/adapted/parity.json").read_text())["model"] == "<run>/model"


def test_no_secret_and_no_person_is_passed_on(run_dir: Path, tmp_path: Path) -> None:
    token = "hf_" + "qwertQWERT" * 3
    lines = [
        f"# token: {token}",
        "url: https://bekzat:qupia@host.kz/x",
        "aws: s3://b?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE",
    ]
    lines += ["share: \\\\srv\\share\\bekzat", "up: ../../home/bekzat/z", "home: $HOME/bekzat", "other: ~bekzat/x"]
    lines += ["mail: bekzat@example.kz", "spaced: /home/bekzat/my docs/x", "password: құпия сөз"]
    write(run_dir / "config.yaml", "\n".join(lines))
    write(
        run_dir / "run.json",
        {"environment": {"WANDB_API_KEY": "9f86d081884c7d65"}, "command": ["qaz", "--token", "qupia"]},
    )
    write(
        run_dir / "corpus/README.md", f"# Data\n\nFrom `/home/bekzat/my docs/x`, by bekzat@example.kz, with {token}.\n"
    )
    made = build_audit(run_dir, tmp_path / "audit")
    text = all_text(made.path)
    for told in (token, "bekzat", "qupia", "құпия", "AKIA", "my docs", "9f86d081884c7d65"):
        assert told not in text, told
    assert made.replaced["secret"] == 7 and made.replaced["email"] == 2
    assert all(f"secret {made.replaced['secret']}" in page_of(made.path) for _ in ALL)


def test_what_a_part_lets_through_the_last_look_finds(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind, in a file that no part of the cleaning has seen, and without showing it."""
    from qaz_llm.pipeline.audit import build

    for told in ("password=qupia", "bekzat@example.kz", "~bekzat/x", "\\\\srv\\share\\bekzat", HOST):
        monkeypatch.setattr(build, "make_index", lambda _, told=told: f"<p>{told}</p>")
        with pytest.raises(WorkError, match="still tells of") as caught:
            build_audit(run_dir, tmp_path / "audit")
        assert told not in str(caught.value) and not (tmp_path / "audit").exists()


def test_figures_and_hashes_are_those_of_the_run(run_dir: Path, tmp_path: Path) -> None:
    made = build_audit(run_dir, tmp_path / "audit")
    page = page_of(made.path)
    for shown in ("CC-BY-4.0", "too_short", "iin", "flores.jsonl", "1.500 [1.400, 1.600]"):
        assert page.count(shown) >= 3, shown  # under each language
    hashes = json.loads((made.path / "model/hashes.json").read_text())
    assert hashes["model.safetensors"] == {"bytes": 7, "sha256": sha256_of(run_dir / "model/model.safetensors")}
    assert not list(made.path.rglob("*.zst")) and not list(made.path.rglob("*.safetensors"))
    energy = json.loads((made.path / "energy.json").read_text())
    assert (energy["device_hours"], energy["watts"], energy["kwh"]) == (16.0, 700.0, 11.2)  # 2 h × 8 × 700 W
    assert "not measured" in energy["is"]
    stated = estimate_energy(run_dir, watts=350)
    assert stated is not None and stated.kwh == 5.6 and stated.stated


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value and value[0] != "#"]


def test_every_file_is_linked_and_every_link_leads_to_one(run_dir: Path, tmp_path: Path) -> None:
    made = build_audit(run_dir, tmp_path / "audit")
    links = Links()
    links.feed((made.path / "index.html").read_text())
    assert len(links.found) > 20 and all((made.path / link).is_file() for link in links.found)
    written = {str(path.relative_to(made.path)) for path in made.path.rglob("*") if path.is_file()}
    assert written - set(links.found) == {"index.html", "audit.json", "SHA256SUMS"}


@pytest.mark.parametrize(
    ("gone", "parts"),
    [
        ("eval", {"evaluation"}),
        ("corpus", {"data_card", "manifest", "ledger"}),
        ("model", {"model_card", "weights"}),
        ("stages", {"stages", "energy"}),
    ],
)
def test_what_the_run_has_not_is_named_in_three_languages(
    run_dir: Path, tmp_path: Path, gone: str, parts: set[str]
) -> None:
    whole = set(build_audit(run_dir, tmp_path / "whole").missing)
    shutil.rmtree(run_dir / gone)
    made = build_audit(run_dir, tmp_path / "audit")
    assert set(made.missing) - whole == parts
    page = page_of(made.path)
    for words in ALL.values():
        for part in parts:
            assert words.missing[part] in page and words.parts[part] in page


def test_the_page_claims_no_compliance_and_the_forms_are_there(run_dir: Path, tmp_path: Path) -> None:
    made = build_audit(run_dir, tmp_path / "audit")
    page = page_of(made.path)
    assert all(words.no_certificate in page and words.opt_outs_missing in page for words in ALL.values())
    for language in ("kk", "ru", "en"):
        form = (made.path / f"forms/owner_{language}.md").read_text()
        assert all(article in form for article in ("17", "23", "102", "230-VIII")) and f'lang="{language}"' in page


def test_all_languages_say_the_same_things() -> None:
    for field in fields(Words):
        values = {language: getattr(words, field.name) for language, words in ALL.items()}
        if isinstance(values["en"], dict):
            assert values["kk"].keys() == values["ru"].keys() == values["en"].keys(), field.name
        assert str(values["en"]) not in (str(values["kk"]), str(values["ru"])), field.name


def test_a_changed_file_or_signature_is_seen_by_common_tools(run_dir: Path, tmp_path: Path) -> None:
    folder = build_audit(run_dir, tmp_path / "audit", key=tmp_path / "key.pem").path
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    sums = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "signing_key.pub.pem", "-rawin", "-in", "SHA256SUMS", "-sigfile", "SHA256SUMS.sig"]  # fmt: skip

    def passes(command: list[str]) -> bool:
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0

    assert passes(sums) and passes(check)
    write(folder / "energy.json", "{}")
    assert not passes(sums) and passes(check)
    write(folder / "SHA256SUMS", (folder / "SHA256SUMS").read_text().replace("a", "b"))
    assert not passes(check)


def test_the_same_key_signs_again_and_a_wrong_one_is_refused(run_dir: Path, tmp_path: Path) -> None:
    one = build_audit(run_dir, tmp_path / "a", key=tmp_path / "key.pem").path
    two = build_audit(run_dir, tmp_path / "a", key=tmp_path / "key.pem").path
    assert (one / "signing_key.pub.pem").read_text() == (two / "signing_key.pub.pem").read_text()
    write(tmp_path / "no.pem", "no key")
    with pytest.raises(InputError, match="no private key"):
        build_audit(run_dir, tmp_path / "b", key=tmp_path / "no.pem")
    write(tmp_path / "root.pem", "-----BEGIN PRIVATE KEY-----")
    with pytest.raises(InputError, match="nobody's to see"):
        build_audit(run_dir, tmp_path / "b", label_root=tmp_path / "root.pem")
    assert not (tmp_path / "b").exists()


def test_a_signed_audit_is_not_replaced_by_one_without_a_signature(run_dir: Path, tmp_path: Path) -> None:
    out, key = tmp_path / "audit", tmp_path / "key.pem"
    build_audit(run_dir, out, key=key)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="signed audit") as caught:
        build_audit(run_dir, out)
    assert "--sign" in str(caught.value)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert build_audit(run_dir, out, key=key).signed
    assert not build_audit(run_dir, tmp_path / "other").signed and not build_audit(run_dir, tmp_path / "other").signed


@pytest.mark.parametrize("place", ["audit", "eval/audit", "model/audit", "a/b/audit"])
def test_audits_kept_in_the_run_are_no_part_of_it(run_dir: Path, tmp_path: Path, place: str) -> None:
    def shown(folder: Path) -> dict[str, str]:
        dated = ("SHA256SUMS", "sbom.cdx.json")
        return {
            str(p.relative_to(folder)): sha256_of(p) for p in folder.rglob("*") if p.is_file() and p.name not in dated
        }

    plain = shown(build_audit(run_dir, tmp_path / "plain").path)
    assert shown(build_audit(run_dir, run_dir / place).path) == plain, "nor is the one that is being made"
    assert shown(build_audit(run_dir, run_dir / place).path) == plain
    assert shown(build_audit(run_dir, tmp_path / "again").path) == plain
    shutil.rmtree(run_dir / "model")
    if not place.startswith("model"):
        assert {"model_card", "weights"} <= set(build_audit(run_dir, tmp_path / "none").missing)
        with pytest.raises(InputError, match="lies in an audit"):
            build_audit(run_dir, tmp_path / "b", data=[run_dir / place / "libraries/corpus"])


def test_what_is_no_run_or_holds_other_files_is_refused(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        build_audit(tmp_path, tmp_path / "audit")
    with pytest.raises(InputError, match="holds no manifest"):
        build_audit(run_dir, tmp_path / "audit", data=[run_dir])
    with pytest.raises(InputError, match="other files"):
        build_audit(run_dir, run_dir)
