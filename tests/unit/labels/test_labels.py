"""Answers that were pasted, edited, pasted twice, translated and escaped; c2patxt's own verdict is the oracle for a whole text."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from c2patxt import verify
from typer.testing import CliRunner

from qaz_llm.cli.entry import app
from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.labels.files import read_text_file, read_unlabelled
from qaz_llm.labels.keys import LEAF, LEAF_KEY, ROOT, LabelKeys, make_keys, open_keys, read_roots
from qaz_llm.labels.making import Labeller
from qaz_llm.labels.reading import read_labels
from qaz_llm.labels.verdicts import Verified

ANSWER = "Абай Құнанбайұлы – қазақтың ұлы ақыны.\n«Қара сөздер» – оның <басты> еңбегі & мұрасы, “\\n” емес."
OTHER = "Мұхтар Әуезов – жазушы."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "keys"
    make_keys(folder, organisation="Мектеп")
    return folder


@pytest.fixture(scope="module")
def labeller(folder: Path) -> Labeller:
    return Labeller(open_keys(folder), model="demo")


@pytest.fixture(scope="module")
def roots(folder: Path) -> bytes:
    return read_roots([folder / ROOT])


@pytest.fixture(scope="module")
def another_root(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("others") / "keys"
    make_keys(folder)
    return read_roots([folder / ROOT])


def told(made: Verified, text: str) -> list[tuple[str, str]]:
    """Each piece with its text, cut out of the text by its positions."""
    return [(segment.state, text[segment.start : segment.end]) for segment in made.segments]


def test_a_label_holds_and_a_peer_says_so(labeller: Labeller, roots: bytes) -> None:
    labelled = labeller.label(ANSWER)
    assert labelled.startswith(ANSWER)
    assert str(verify(labelled).state) == "valid"
    made = read_labels(labelled)
    assert told(made, labelled) == [("valid", ANSWER)]
    assert (made.segments[0].reason, made.exit_code) == ("no_roots_given", 0)
    trusted = read_labels(labelled, roots=roots)
    assert told(trusted, labelled) == [("trusted", ANSWER)]
    assert trusted.segments[0].signer == "Мектеп: label signer, Мектеп"
    assert trusted.segments[0].model == "demo"
    assert trusted.chars == {"trusted": len(ANSWER)}


def test_answers_are_found_inside_a_longer_text(labeller: Labeller, roots: bytes) -> None:
    one, other = labeller.label(ANSWER), labeller.label(OTHER)
    text = f"Кіріспе сөз. {one}\n\nҚұрастырған: мен. {other}{one} соңы"
    assert str(verify(text).state) == "invalid", "a check of the whole text knows nothing of its pieces"
    made = read_labels(text, roots=roots)
    assert told(made, text) == [
        ("none", "Кіріспе сөз. "),
        ("trusted", ANSWER),
        ("none", "\n\nҚұрастырған: мен. "),
        ("trusted", OTHER),
        ("trusted", ANSWER),
        ("none", " соңы"),
    ]
    assert made.counts == {"trusted": 3, "none": 3}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("ұлы ақыны", "ақыны"), "text_missing"),
        (lambda text: text.replace("ұлы ақыны", "ұлы жазушысы"), "text_changed"),
        (lambda text: text.replace("ұлы", "улы"), "text_changed"),
        (lambda text: "Абай – великий поэт казахского народа. «Слова назидания» – его главный труд, который изучают в школах." + text[len(ANSWER) :], "text_changed"),
        (lambda text: text[len(ANSWER) :], "text_missing"),
        (lambda text: text[:-700], "label_damaged"),
        (lambda text: text[: len(ANSWER)] + text[len(ANSWER) + 90 :], "label_remains"),
        (lambda text: text[:-900] + ("\ufe00" if text[-900] != "\ufe00" else "\ufe01") + text[-899:], "label_changed"),
        (lambda text: text[:-20] + ("\ufe00" if text[-20] != "\ufe00" else "\ufe01") + text[-19:], "label_changed"),
    ],
)  # fmt: skip
def test_what_was_edited_is_changed(
    labeller: Labeller, roots: bytes, change: Callable[[str], str], reason: str
) -> None:
    text = change(labeller.label(ANSWER))
    made = read_labels(text, roots=roots)
    assert (made.counts.get("changed"), made.exit_code) == (1, 4)
    assert next(segment.reason for segment in made.segments if segment.state == "changed") == reason
    assert str(verify(text).state) in {"invalid", "unmarked"}


@pytest.mark.parametrize("between", [" ", "\n", "\u200b", "а"])
@pytest.mark.parametrize("every", [1, 3, 20])
def test_a_label_in_pieces_is_a_damaged_one_and_not_none(
    labeller: Labeller, roots: bytes, between: str, every: int
) -> None:
    label = labeller.label(ANSWER)[len(ANSWER) :]
    pieces = between.join(label[place : place + every] for place in range(0, len(label), every))
    made = read_labels(f"{labeller.label(OTHER)} {ANSWER}{pieces} соңы", roots=roots)
    first, *others = [(one.state, one.reason) for one in made.segments]
    assert first == ("trusted", None) and set(others) == {("changed", "label_damaged")}
    assert made.exit_code == 4


def test_an_edited_answer_does_not_spoil_its_neighbours(labeller: Labeller, roots: bytes) -> None:
    text = labeller.label(ANSWER).replace("ұлы", "зұлым") + labeller.label(OTHER)
    made = read_labels(text, roots=roots)
    assert [segment.state for segment in made.segments if segment.state != "none"] == ["changed", "trusted"]
    assert told(made, text)[-1] == ("trusted", OTHER)


@pytest.mark.parametrize(
    ("write", "undone"),
    [
        (lambda text: unicodedata.normalize("NFD", text), ("nfc",)),
        (lambda text: text.replace("\n", "\r\n"), ("line_ends",)),
        (html.escape, ("html",)),
        (lambda text: text.encode("ascii", "xmlcharrefreplace").decode(), ("html",)),
        (lambda text: text.replace("\ufeff", ""), ("marker",)),
    ],
)
def test_forms_that_change_no_letter(
    labeller: Labeller, roots: bytes, write: Callable[[str], str], undone: tuple[str, ...]
) -> None:
    made = read_labels(write(labeller.label(ANSWER)), roots=roots)
    assert (made.counts, made.read_as) == ({"trusted": 1}, undone)


@pytest.mark.parametrize("letters", [True, False])
@pytest.mark.parametrize("depth", [1, 2])
def test_answers_in_json_of_any_depth(labeller: Labeller, roots: bytes, letters: bool, depth: int) -> None:
    text = labeller.label(ANSWER)
    for _ in range(depth):
        text = json.dumps({"choices": [{"message": {"content": text}}], "own": "өз сөзім"}, ensure_ascii=letters)
    made = read_labels(text, roots=roots)
    assert made.counts == {"none": 2, "trusted": 1}
    assert made.chars["trusted"] == len(ANSWER)
    assert made.read_as == ("escapes",) * depth


def test_selectors_behind_a_label_are_not_its_own(labeller: Labeller, roots: bytes) -> None:
    assert read_labels(labeller.label(ANSWER) + "\ufe01\ufe02", roots=roots).counts == {"trusted": 1}


def test_none_of_ordinary_texts_is_called_labelled() -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    assert len(texts) >= 50
    for text in [*texts, *(unicodedata.normalize("NFD", text) for text in texts), "❤\ufe0f", "", "葛\U000e0100"]:
        made = read_labels(text)
        assert not made.is_labelled
        assert made.exit_code == 3
        assert "NOT" in made.to_dict()["meanings"]["none"]


def test_a_label_of_another_root_is_valid_and_not_trusted(labeller: Labeller, tmp_path: Path) -> None:
    make_keys(tmp_path / "other")
    made = read_labels(labeller.label(ANSWER), roots=read_roots([tmp_path / "other" / ROOT]))
    assert (made.segments[0].state, made.segments[0].reason, made.exit_code) == ("valid", "unknown_root", 5)


def test_a_certificate_that_has_ended(folder: Path, labeller: Labeller, roots: bytes, tmp_path: Path) -> None:
    later = datetime.now(UTC) + timedelta(days=400)
    made = read_labels(labeller.label(ANSWER), roots=roots, now=later)
    assert (made.segments[0].state, made.segments[0].reason, made.exit_code) == ("valid", "certificate_expired", 5)
    with pytest.raises(InputError, match=r"ended on .*nothing can be labelled"):
        open_keys(folder, now=later)
    make_keys(tmp_path / "new", root=folder, now=later)
    renewed = open_keys(tmp_path / "new", now=later)
    assert renewed.valid_until > later + timedelta(days=364)


def test_a_leaf_ends_with_its_root_and_is_named_as_it(folder: Path, tmp_path: Path) -> None:
    made = make_keys(tmp_path / "new", root=folder, days=3660)
    assert made["leaf"]["valid_until"] == made["root"]["valid_until"]
    assert made["leaf"]["name"] == "Мектеп: label signer, Мектеп"


def test_keys_of_others_and_keys_that_others_can_read(folder: Path, tmp_path: Path) -> None:
    made = make_keys(tmp_path / "a")
    assert (tmp_path / "a" / LEAF_KEY).stat().st_mode & 0o777 == 0o600
    assert made["root_key_here"]
    with pytest.raises(InputError, match="keys in it already"):
        make_keys(tmp_path / "a")
    (tmp_path / "a" / LEAF).write_bytes((folder / LEAF).read_bytes())
    with pytest.raises(InputError, match="is not the key of"):
        open_keys(tmp_path / "a")
    (tmp_path / "a" / LEAF_KEY).chmod(0o644)
    with pytest.raises(InputError, match="others can read"):
        open_keys(tmp_path / "a")
    with pytest.raises(InputError, match="no such file"):
        open_keys(tmp_path / "nowhere")


def test_a_second_label_is_refused(labeller: Labeller) -> None:
    with pytest.raises(InputError, match="has a label in it already"):
        labeller.label("Сөз. " + labeller.label(ANSWER))


def test_a_label_for_a_text_that_was_sent(labeller: Labeller, roots: bytes) -> None:
    assert read_labels(ANSWER + labeller.label_of(ANSWER), roots=roots).counts == {"trusted": 1}


@pytest.mark.parametrize("num_bytes", range(8))
@pytest.mark.parametrize(
    "change",
    [
        lambda text, end: text.replace(" ", "\u00a0", 1) + end,
        lambda text, end: text + " " + end,
        lambda text, end: text + "\u200b" + end,
        lambda text, end: text + "\ufeff" + end,
        lambda text, end: text + "🙂" + end,
        lambda text, end: "🙂" + text[2:] + end,
    ],
)
def test_text_that_was_changed_is_not_called_a_changed_label(
    labeller: Labeller, roots: bytes, another_root: bytes, change: Callable[[str, str], str], num_bytes: int
) -> None:
    """However many bytes were put in: where the signed length ends inside a letter, too, and whoever is trusted."""
    labelled = labeller.label(OTHER)
    body, end = labelled[: len(OTHER)], labelled[len(OTHER) :]
    spoilt = end[:-20] + ("\ufe00" if end[-20] != "\ufe00" else "\ufe01") + end[-19:]
    for trusted in (roots, None, another_root):
        for label, reason in ((end, "text_changed"), (spoilt, "label_changed")):
            made = read_labels("🙂ә" + "x" * num_bytes + change(body, label), roots=trusted)
            assert [segment.reason for segment in made.segments if segment.state == "changed"] == [reason]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_files_in_unicode_encodings(labeller: Labeller, roots: bytes, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(labeller.label(ANSWER).encode(encoding))
    assert read_labels(read_text_file(tmp_path / "a.txt").text, roots=roots).counts == {"trusted": 1}


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(ANSWER.encode("utf-16-le"))
    with pytest.raises(InputError, match=r"NUL bytes|not utf-8"):
        read_text_file(tmp_path / "a.txt")
    assert read_text_file(tmp_path / "a.txt", "utf-16-le").text == ANSWER
    with pytest.raises(InputError, match="not utf-8"):
        read_text_file(_written(tmp_path / "b.txt", ANSWER.encode("cp1251", "replace")))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_only_a_key_made_out_for_labels_is_opened(folder: Path) -> None:
    keys = open_keys(folder)
    assert isinstance(keys, LabelKeys)
    usages = {usage.dotted_string for usage in _usages(keys)}
    assert usages == {"1.3.6.1.5.5.7.3.4", "1.3.6.1.4.1.62558.2.1"}


def _usages(keys: LabelKeys) -> list:  # type: ignore[type-arg]
    from cryptography.x509 import ExtendedKeyUsage

    return list(keys.leaf.extensions.get_extension_for_class(ExtendedKeyUsage).value)


KAZAKH = (
    "Қазақстан Республикасының Тұңғыш ғарышкері туралы әңгіме: ол ұшуға көп жыл дайындалды, өзі үшін емес, ел үшін."
)
RUSSIAN = "Рассказ о первом космонавте республики: он готовился к полёту много лет, и не для себя одного, а для страны."


@pytest.mark.parametrize(("text", "encoding"), [(RUSSIAN, "cp1251"), (KAZAKH, "kz1048"), (KAZAKH, "utf-16-le")])
def test_the_hint_names_the_encoding_that_the_bytes_look_like(tmp_path: Path, text: str, encoding: str) -> None:
    path = _written(tmp_path / "a.txt", text.encode(encoding))
    with pytest.raises(InputError) as caught:
        read_text_file(path)
    assert f"--encoding {encoding}" in str(caught.value)
    assert read_text_file(path, encoding).text == text
    assert read_text_file(path, encoding).looks_like is None


@pytest.mark.parametrize(
    ("text", "written", "named"),
    [
        (RUSSIAN, "cp1251", "utf-16"),
        (KAZAKH + " ", "kz1048", "utf-16"),
        (KAZAKH + ".", "kz1048", "UTF-16LE"),
        (KAZAKH, "utf-8", "cp1251"),
        (KAZAKH, "utf-8", "latin-1"),
        (KAZAKH, "utf-16-le", "utf-16-be"),
        ("plain English words, and no letter beyond ASCII", "ascii", "utf-16"),
    ],
)
def test_an_encoding_that_gives_other_letters_is_refused(tmp_path: Path, text: str, written: str, named: str) -> None:
    data = text.encode(written)
    path = _written(tmp_path / "a.txt", data + b" " * (len(data) % 2))
    with pytest.raises(InputError, match=r"is not|not "):
        read_text_file(path, named)


def test_an_encoding_that_may_be_meant_is_doubted_aloud(tmp_path: Path) -> None:
    assert read_text_file(_written(tmp_path / "a.txt", KAZAKH.encode("kz1048")), "cp1251").looks_like == "kz1048"
    for encoding in ("utf-16", "utf-16-le"):
        chinese = _written(tmp_path / "b.txt", "哈萨克斯坦是中亚国家。\n首都是阿斯塔纳。".encode(encoding))
        assert read_text_file(chinese, encoding).text.startswith("哈萨克斯坦")


PAGE = "<!DOCTYPE html>\n<html><body>Сәлем</body></html>"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", "Сәлем"),
        ("a.txt", PAGE),
        ("a", "\n\n<?xml version='1.0'?><!-- a\nb -->\n<HTML lang='kk'>Сәлем"),
        ("a.md", "<body class='x'>Сәлем</body>"),
    ],
)
def test_pages_of_html_are_refused_by_what_they_are(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match="a page of HTML"):
        read_unlabelled(_written(tmp_path / name, text.encode()), tmp_path / "out.txt")
    prose = _written(tmp_path / "b.txt", f"Бет былай басталады:\n```\n{PAGE}\n```".encode())
    assert read_unlabelled(prose, tmp_path / "out.txt").text.startswith("Бет")


def test_a_leaf_of_another_root_is_not_opened(folder: Path, tmp_path: Path) -> None:
    make_keys(tmp_path / "a")
    (tmp_path / "a" / ROOT).write_bytes((folder / ROOT).read_bytes())
    with pytest.raises(InputError, match=r"was not issued by the root.pem"):
        open_keys(tmp_path / "a")
    (tmp_path / "a" / ROOT).unlink()
    assert open_keys(tmp_path / "a").valid_until > datetime.now(UTC)


def test_what_is_given_as_a_root_is_named_as_what_it_is(folder: Path) -> None:
    for path, said in (
        (folder, f"a folder.*--trust {folder / ROOT}"),
        (Path("/dev/null"), "empty"),
        (folder / "no", "no such"),
    ):
        with pytest.raises(InputError) as caught:
            read_roots([path])
        assert re.search(said, str(caught.value), re.DOTALL) and "make them" not in str(caught.value)


def test_a_file_that_is_not_there_is_named_before_the_keys(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["label", str(tmp_path / "no.txt"), "--keys", str(tmp_path / "nokeys")])
    assert isinstance(told.exception, InputError) and "no.txt" in str(told.exception)


def test_answers_in_different_forms_in_one_file(labeller: Labeller, roots: bytes) -> None:
    """The raw one has an escape as letters in it, so that no form of the whole file holds for both."""
    raw, other = labeller.label(ANSWER), labeller.label(OTHER)
    once = json.dumps({"a": other})
    twice = json.dumps({"b": json.dumps({"a": labeller.label("Үшінші.")})})
    page = html.escape(labeller.label("<Төртінші> & соңғысы."))
    text = f"сөз {raw}\n{once}\n{twice}\n{page} соңы"
    made = read_labels(text, roots=roots)
    assert made.counts["trusted"] == 4 and "changed" not in made.counts
    assert made.chars["trusted"] == len(ANSWER) + len(OTHER) + len("Үшінші.") + len("<Төртінші> & соңғысы.")
    assert {"escapes", "html"} == set(made.read_as)
    assert all(one.label_end == two.start for one, two in pairwise(made.segments))
    assert told(made, text)[:2] == [("none", "сөз "), ("trusted", ANSWER)]
    edited = read_labels(text.replace("Абай", "Адай"), roots=roots)
    assert edited.counts["trusted"] == 3 and edited.counts["changed"] == 1
