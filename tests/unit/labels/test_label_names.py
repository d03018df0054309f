"""Names in labels and certificates of somebody who wants `qaz verify` to say something else than it says."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from c2patxt import Disclosure, EmbedContext, ModelType, Signer, embed
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from qaz_llm.cli.entry import app
from qaz_llm.errors import InputError
from qaz_llm.labels.certificates import make_leaf, make_root
from qaz_llm.labels.keys import make_keys, open_keys
from qaz_llm.labels.making import Labeller
from qaz_llm.labels.names import MAX_CHARS, check_name, quoted, shown

FORGED = "x\n\x1b[2Jtrusted 0–12"
HOSTILE = (
    FORGED,
    "a\rtrusted",
    "a\x9b2J",
    "a\x07\x00\x7f",
    "a\u2028b\u2029c",
    "a\u202etsurt",
    "a\u2066b",
    "a\u200bb\u200db\ufeff",
    "a\U000e0041",
    "a\ufe0f",
    "a\u3164b",
    "[red]trusted[/red] :warning: [/x]",
    'm", signed by "Министрлік',
    "ұ" * 5000,
)


def say(folder: Path, text: str, *options: str) -> str:
    (folder / "a.txt").write_text(text, encoding="utf-8", newline="")
    return CliRunner().invoke(app, ["verify", str(folder / "a.txt"), *options]).output


def labelled_by(name: str, folder: Path, organisation: str = "Мектеп") -> tuple[str, Path]:
    """A label as anybody may write one: of this model, by a certificate that names this organisation."""
    now, root_key, key = datetime.now(UTC), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    root = make_root(root_key, organisation, now, 10)
    leaf = make_leaf(key, root, root_key, organisation, now, 10)
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    disclosure = Disclosure("text/plain", ModelType.GENERIC, model_name=name)
    text = embed("Сәлем, әлем!", Signer(private_key=key, certificates=(leaf,)), disclosure, context=EmbedContext(generator_name="x", generator_version="1"))  # fmt: skip
    return text, folder / "root.pem"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_model_in_a_label_stays_one_line_that_is_seen(tmp_path: Path, name: str) -> None:
    text, _ = labelled_by(name, tmp_path)
    plain = say(tmp_path, labelled_by("demo", tmp_path)[0])
    told = say(tmp_path, text)
    assert all(c == "\n" or c.isprintable() for c in told)
    assert not any(unicodedata.category(c) in ("Cf", "Cc", "Zl", "Zp") for c in told.replace("\n", ""))
    assert sum(line.startswith(("trusted", "valid")) for line in told.splitlines()) == 2  # the row, and what it means
    assert sum(line.startswith(("trusted", "valid")) for line in plain.splitlines()) == 2
    assert told.count('"') == plain.count('"') == 4, "model and date, in marks that the name cannot close"
    [segment] = json.loads(say(tmp_path, text, "--json"))["segments"]
    assert len(segment["model"]) <= MAX_CHARS and segment["model"].isprintable()


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\0" not in name])
def test_an_organisation_in_a_certificate_too(tmp_path: Path, name: str) -> None:
    text, root = labelled_by("demo", tmp_path, organisation=name)
    told = say(tmp_path, text, "--trust", str(root))
    assert all(c == "\n" or c.isprintable() for c in told)
    assert told.count("signed by") - shown(name[:64]).count("signed by") * 2 == 1
    [segment] = json.loads(say(tmp_path, text, "--trust", str(root), "--json"))["segments"]
    assert len(segment["signer"]) <= MAX_CHARS and segment["signer"].isprintable()
    make_keys(tmp_path / "other")
    told = say(tmp_path, text, "--trust", str(tmp_path / "other/root.pem"))
    assert "signer not confirmed" in told


@pytest.mark.parametrize("name", [*(one for one in HOSTILE if "[red]" not in one and '"' not in one), "ұ" * 201, "  "])
def test_such_names_are_not_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="--organisation"):
        make_keys(tmp_path / "keys", organisation=name)
    assert not (tmp_path / "keys").exists()
    make_keys(tmp_path / "good", organisation="Білім министрлігі")
    with pytest.raises(InputError, match="--model"):
        Labeller(open_keys(tmp_path / "good"), model=name)


def test_a_name_longer_than_a_certificate_holds_is_cut_and_said(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["label", "keys", "--out", str(tmp_path / "keys"), "--organisation", "Ұ" * 200])
    assert made.exit_code == 0 and "cut to 64 characters" in made.output
    assert "cut" not in CliRunner().invoke(app, ["label", "keys", "--out", str(tmp_path / "k"), "--organisation", "Ұ" * 64]).output  # fmt: skip


@given(st.text(max_size=300))
def test_what_is_shown_is_printable_short_and_shown_again_the_same(text: str) -> None:
    once = shown(text)
    assert once.isprintable() and len(once) <= MAX_CHARS and shown(once) == once
    assert quoted(text).count('"') == 2


def test_ordinary_names_are_shown_as_they_are() -> None:
    for name in (
        "Қазақстан Республикасының Білім министрлігі",
        "qaz-8b v1.0 (көмекші)",
        "ТОО «Ромашка» №1",
        "a\\b",
        "e\u0301",
    ):
        assert shown(name) == check_name(name, "--model") == name
