"""What commands print: JSON that means what it meant, and nothing that a terminal obeys or that lets somebody in."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm import cli
from qaz_llm.cli.printing import print_json, print_row, print_table
from qaz_llm.cli.saying import say_error
from qaz_llm.labels.names import safe_json, safe_lines

ALL = "".join(map(chr, range(0x300))) + "қ\u200d\u2028\u202e\u2066\ud800😀"


def is_obeyed(text: str) -> bool:
    """By Unicode's own tables: controls but line ends and tabs, lines' and paragraphs' ends, halves, and marks that turn text round."""
    round_about = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return any(
        (unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in "\n\t") or unicodedata.bidirectional(c) in round_about
        for c in text
    )  # fmt: skip


@given(st.text(st.characters(exclude_categories=())))
def test_what_a_terminal_obeys_is_escaped_and_json_means_what_it_meant(text: str) -> None:
    for value in (text, ALL):
        made = safe_json(json.dumps({value: [value]}, ensure_ascii=False, indent=2))
        assert json.loads(made) == {value: [value]} and not is_obeyed(made)
        assert not is_obeyed(safe_lines(value))
        made.encode("utf-8")
    assert safe_lines("Қазақ, \tтілі\n👩\u200d🚀") == "Қазақ, \tтілі\n👩\u200d🚀"


def test_every_way_to_print_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b[2Jb\x9b1Ac https://u:Qupia1@h.kz/?key=Qupia1"
    print_json({"name": evil, "list": [evil]})
    print_table(["name"], [[evil]])
    say_error(evil, 2)
    said = capsys.readouterr()
    assert not is_obeyed(said.out + said.err) and "Qupia1" not in said.out + said.err
    assert said.out.count("<secret>") == 6 and said.err.count("<secret>") == 2
    print_row({"text": evil})  # a row of the user's own is not changed
    assert json.loads(row := capsys.readouterr().out) == {"text": evil} and not is_obeyed(row)


def test_a_config_is_shown_without_what_lets_somebody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "eval.yaml"
    path.write_text(
        "model: m\nout: o\nsuite: quick\nserver:\n  url: https://aidar:Qupia1@h.kz/v1?key=Qupia2\n"
        "  body: {password: Qupia3, top_k: 5}\n"
    )

    def show(*more: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["qaz", "config", "show", str(path), *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        return tuple(capsys.readouterr())  # type: ignore[return-value]

    for more in ((), ("--json",)):
        out, err = show(*more)
        assert "https://<secret>@h.kz/v1?key=<secret>" in out and "top_k" in out and "Qupia" not in out
        assert "<secret> stands for what lets somebody in" in err
    path.write_text("model: m\nout: o\nsuite: quick\nserver:\n  url: https://h.kz/v1\n")
    assert show()[1] == ""


def test_a_page_of_documents_obeys_nothing() -> None:
    from qaz_llm.cli.data import _page_of

    row: dict[str, Any] = {"id": "a\x1b]0;x\x07", "text": "бір\nекі\x9b2J"}
    assert "\x1b]" not in _page_of(row) and "\x9b" not in _page_of(row) and "бір\nекі" in _page_of(row)
