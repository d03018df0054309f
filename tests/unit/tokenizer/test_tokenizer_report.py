"""Several tokenizers over kk, ru and en: sources of text, aligned texts, errors, the command, and the files it writes."""

from __future__ import annotations

import gzip
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from qaz_llm.cli import app
from qaz_llm.errors import InputError
from qaz_llm.tokenizer.fertility import measure_fertility
from qaz_llm.tokenizer.report import TextSource, check_aligned, compare_tokenizers, parse_text_options
from qaz_llm.tokenizer.report_page import short_names

LANGUAGES = ("kk", "ru", "en")


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Every byte is a token."""
    vocab = {char: index for index, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def char_tokenizer() -> PreTrainedTokenizerFast:
    """A unigram model: every character is a token, `ж` is unknown; a space goes with what follows it."""
    pieces = [("<unk>", -9.0), *((char, -2.0) for char in "▁аәдбеқлртіңabcdo")]
    backend = Tokenizer(models.Unigram(pieces, 0, byte_fallback=False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two tokenizers in folders of the same name."""
    root = tmp_path_factory.mktemp("tokenizers")
    byte_tokenizer().save_pretrained(root / "bytes" / "tokenizer")
    char_tokenizer().save_pretrained(root / "chars" / "tokenizer")
    return str(root / "bytes" / "tokenizer"), str(root / "chars" / "tokenizer")


@pytest.fixture
def parallel(tmp_path: Path) -> Path:
    """Two sentences: 8 + 4 bytes of Kazakh, 4 + 4 of Russian, 3 + 1 of English."""
    rows = [{"kk": "қала", "ru": "да", "en": "abc"}, {"kk": "ә b", "ru": "не", "en": "a"}]
    path = tmp_path / "parallel.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def segmented(tmp_path: Path) -> Path:
    rows = [{"text": "тілдер қалада", "segmented": "тіл·дер қала·да"}, {"text": "тіл", "segmented": "бөтен"}]
    path = tmp_path / "segmented.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def sources(path: Path) -> dict[str, TextSource]:
    return {language: TextSource(path, language) for language in LANGUAGES}


def options(path: Path) -> list[str]:
    return [word for language in LANGUAGES for word in ("--text", f"{language}={path}:{language}")]


# ------------------------------------------------------------------------------------------------------------- sources


def test_text_options_name_a_language_a_file_and_a_field(tmp_path: Path) -> None:
    given = parse_text_options(["kk=a=b.txt", "ru=x/y.jsonl:ru"])
    assert given == {"kk": TextSource(Path("a=b.txt")), "ru": TextSource(Path("x/y.jsonl"), "ru")}
    (tmp_path / "a:b.txt").touch()
    assert parse_text_options([f"en={tmp_path}/a:b.txt"])["en"] == TextSource(tmp_path / "a:b.txt")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["kz=a.txt"], "'kk'"),
        (["a.txt"], "LANGUAGE=FILE"),
        (["kk="], "LANGUAGE=FILE"),
        (["de=x"], "kk, ru, en"),
        (["kk=a.txt", "kk=b.txt"], "kk is a.txt already"),
    ],
)
def test_wrong_text_options_say_what_is_expected(wrong: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_text_options(wrong)


def test_lines_rows_and_compressed_rows_give_the_same_texts(tmp_path: Path) -> None:
    texts = ["қала", "екі  сөз"]
    rows = "".join(json.dumps({"text": text, "kk": text[::-1]}) + "\n" for text in texts)
    (tmp_path / "a.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "a.devtest").write_text("\n".join(texts), encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(rows, encoding="utf-8")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    for name in ("a.txt", "a.devtest", "a.jsonl", "b.jsonl.gz"):
        assert list(TextSource(tmp_path / name).read()) == texts, name
    assert list(TextSource(tmp_path / "b.jsonl.gz", "kk").read()) == [text[::-1] for text in texts]


def test_a_folder_of_a_build_gives_what_was_kept(tmp_path: Path) -> None:
    for name in ("documents-0", "dropped-0"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": name}) + "\n")
    assert list(TextSource(tmp_path).read()) == ["documents-0"]


def test_faults_of_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("сөз\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"kk": "сөз", "n": 3}\n', encoding="utf-8")
    for source, said in (
        (TextSource(tmp_path / "none.txt"), "none.txt: no such file"),
        (TextSource(tmp_path / "a.txt", "kk"), "lines of text have no field 'kk'"),
        (TextSource(tmp_path / "a.jsonl"), "row 1 has no field 'text'; it has: kk, n"),
        (TextSource(tmp_path / "a.jsonl", "n"), "row 1 has a 'n' of type int"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            list(source.read())


# ------------------------------------------------------------------------------------------------------------- aligned


def test_premium_is_the_ratio_of_tokens_on_the_same_sentences(folders: tuple[str, str], parallel: Path) -> None:
    kk, ru, en = "қалаә b", "дане", "abca"
    measured = compare_tokenizers(folders, sources(parallel), aligned=True)[folders[0]]
    assert measured.premium("kk") == len(kk.encode()) / len(en.encode())
    assert measured.premium("ru") == len(ru.encode()) / len(en.encode())
    assert measured.premium("en") == 1.0
    figures = measured.to_dict()
    assert figures["kk"]["tokens_per_aligned_text"] == len(kk.encode()) / 2
    assert figures["kk"]["premium_over_en"] == measured.premium("kk")


def test_texts_that_are_not_said_to_be_aligned_have_no_premium(folders: tuple[str, str], parallel: Path) -> None:
    measured = compare_tokenizers(folders[:1], sources(parallel))[folders[0]]
    assert measured.premium("kk") is None
    assert set(measured.to_dict()["kk"]) == set(measure_fertility(byte_tokenizer(), ["a"]).to_dict())
    without_en = {language: TextSource(parallel, language) for language in ("kk", "ru")}
    figures = compare_tokenizers(folders[:1], without_en, aligned=True)[folders[0]].to_dict()
    assert "tokens_per_aligned_text" in figures["kk"]
    assert "premium_over_en" not in figures["kk"]


def lines(folder: Path, **texts: str) -> dict[str, TextSource]:
    made = {}
    for language, text in texts.items():
        (folder / f"{language}.txt").write_text(text, encoding="utf-8")
        made[language] = TextSource(folder / f"{language}.txt")
    return made


def test_aligned_texts_of_unequal_number_name_both_counts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kk\.txt holds 3 kk texts, .*en\.txt 2 en texts"):
        check_aligned(lines(tmp_path, kk="а\nб\nв\n", ru="а\nб\nв\n", en="a\nb\n"))


def test_a_text_that_is_blank_in_one_language_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="text 2 is blank in ru, not in kk"):
        check_aligned(lines(tmp_path, kk="а\nб\n\nв\n", ru="а\n\nб\nв\n"))


def test_blank_lines_at_the_same_place_or_the_end_do_no_harm(tmp_path: Path) -> None:
    check_aligned(lines(tmp_path, kk="а\n\nв\n", ru="а\n \nв\n\n\n", en="a\n\nc"))


def test_one_language_is_aligned_with_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--aligned with 1 language"):
        check_aligned(lines(tmp_path, kk="а\n"))


# ---------------------------------------------------------------------------------------------------------- tokenizers


def test_folders_named_alike_have_their_own_results(folders: tuple[str, str], parallel: Path) -> None:
    measured = compare_tokenizers([*folders, folders[0]], sources(parallel))
    assert list(measured) == list(folders)
    assert measured[folders[0]].fertility["kk"].tokens == len("қалаә b".encode())
    # ▁қала, ▁ә ▁b: a unigram model without bytes, as XLM-R is
    assert measured[folders[1]].fertility["kk"].tokens == 5 + 4
    assert list(short_names(list(measured)).values()) == ["bytes/tokenizer", "chars/tokenizer"]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["meta/llama", "out/extended"], ["llama", "extended"]),
        (["a/x/t", "b/x/t", "c"], ["a/x/t", "b/x/t", "c"]),
        (["t", "t/"], ["t", "t/"]),  # one folder, written in two ways
        ([], []),
    ],
)
def test_names_are_as_short_as_they_can_be_told_apart(names: list[str], labels: list[str]) -> None:
    assert list(short_names(names).values()) == labels


def test_what_is_missing_is_found_before_anything_is_measured(
    folders: tuple[str, str], parallel: Path, segmented: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qaz_llm.tokenizer.report.measure_fertility", lambda *_: pytest.fail("measured too early"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.txt").write_text("\n \n")
    byt5 = tmp_path / "byt5"
    byt5.mkdir()
    (byt5 / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    texts, blank = sources(parallel), {"kk": TextSource(tmp_path / "blank.txt")}
    for names, given, morphemes, said in (
        ([folders[0], str(tmp_path / "empty")], texts, None, "the folder holds no tokenizer"),
        ([folders[0], str(byt5)], texts, None, "only a slow tokenizer"),
        ([folders[0]], blank, None, "blank.txt: holds no kk text"),
        ([folders[0]], texts, tmp_path / "none", "none: no such file"),
        ([], texts, segmented, "0 tokenizers"),
    ):
        with pytest.raises(InputError, match=said):
            compare_tokenizers(names, given, morphemes=morphemes)


# ------------------------------------------------------------------------------------------------------------- command


@pytest.fixture
def run() -> Callable[..., Any]:
    def call(*words: str) -> Any:
        return CliRunner().invoke(app, ["tokenizer", "report", *words])

    return call


def test_json_has_a_key_for_each_tokenizer_and_language(
    run: Callable[..., Any], folders: tuple[str, str], parallel: Path, segmented: Path
) -> None:
    names = [word for folder in folders for word in ("--tokenizer", folder)]
    plain = json.loads(run(*names, *options(parallel), "--json").stdout)
    assert list(plain) == list(folders)
    assert list(plain[folders[0]]) == list(LANGUAGES)
    assert plain[folders[0]]["en"]["tokens_per_word"] == 4 / 2
    full = json.loads(run(*names, *options(parallel), "--aligned", "--morphemes", str(segmented), "--json").stdout)
    assert {**full[folders[0]]["kk"], **plain[folders[0]]["kk"]} == full[folders[0]]["kk"]
    chars = full[folders[1]]["morphemes"]
    # тілдер, қалада: cut between all characters, at 5 of 5 borders each; one row spells another text
    assert (chars["recall"], chars["precision"], chars["chance_precision"]) == (1.0, 2 / 10, 2 / 10)
    assert (chars["rows"], chars["skipped_rows"], chars["words"]) == (2, 1, 2)
    # in bytes, every character is cut inside besides
    assert full[folders[0]]["morphemes"]["boundaries_in_characters"] == 12
    assert full[folders[0]]["morphemes"]["precision"] == 2 / (10 + 12)


def test_the_terminal_shows_both_tables_and_what_was_skipped(
    run: Callable[..., Any], folders: tuple[str, str], parallel: Path, segmented: Path
) -> None:
    result = run("--tokenizer", folders[0], *options(parallel), "--aligned", "--morphemes", str(segmented))
    assert result.exit_code == 0, result.output
    assert "premium over en" in result.stdout
    assert "1 rows skipped" in result.stdout
    assert re.search(r"precision\s+by chance\s+recall", result.stdout)


def test_out_holds_a_page_its_figures_and_a_plot(
    run: Callable[..., Any], folders: tuple[str, str], parallel: Path, segmented: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    names = [word for folder in folders for word in ("--tokenizer", folder)]
    words = [*names, *options(parallel), "--aligned", "--morphemes", str(segmented), "--out", str(out), "--json"]
    for _ in range(2):  # a second report replaces the first
        result = run(*words)
        assert result.exit_code == 0, result.output
    assert json.loads((out / "report.json").read_text()) == json.loads(result.stdout)
    page = (out / "report.html").read_text()
    assert not re.search(r'(?:src|href)="(?!#)', page)  # nothing is fetched
    for shown in ("bytes/tokenizer", "Premium", "precision by chance", "1 rows skipped"):
        assert shown in page
    plot = ElementTree.parse(out / "fertility.svg").getroot()
    texts = [element.text for element in plot.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("kk") == 2
    assert f"{len('қалаә b'.encode()) / 3:.2f}" in texts  # bytes: 12 tokens, 3 words
    assert f"{len('қалаә b'.encode()) / 4:.2f}" in texts  # and 4 English tokens
    bars = [float(e.get("width", "0")) for e in plot.iter("{http://www.w3.org/2000/svg}rect") if e.get("x") != "-8"]
    assert len(bars) == 2 * 3 * 2
    assert bars[0] / bars[4] == pytest.approx((12 / 3) / (4 / 2), rel=0.01)  # kk and en of the first, tokens per word
    assert bars[1] / bars[5] == pytest.approx(12 / 4, rel=0.01)  # their tokens


def test_a_folder_of_something_else_is_left_alone(
    run: Callable[..., Any], folders: tuple[str, str], parallel: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("of another command")
    result = run("--tokenizer", folders[0], *options(parallel), "--out", str(out))
    assert isinstance(result.exception, InputError)
    assert (out / "report.html").read_text() == "of another command"


def test_unknown_characters_are_shown(run: Callable[..., Any], folders: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "kk.txt").write_text("жж қ\n", encoding="utf-8")
    result = run("--tokenizer", folders[1], "--text", f"kk={tmp_path}/kk.txt", "--out", str(tmp_path / "out"))
    assert re.search(r"unknown tokens", result.stdout)
    assert "25.00%" in result.stdout  # ▁ <unk> ▁ қ
    assert "looks too cheap" in (tmp_path / "out" / "report.html").read_text()
