"""A recipe in a training config: the parts it makes of a corpus, and what identifies the run."""

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data.config import MixConfig
from qaz_llm.data.mixing.corpus_mix import count_parts
from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import write_jsonl
from qaz_llm.rows.config import TrainDataConfig
from qaz_llm.rows.sources import declared_entries, read_texts, recipe_entries
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.start.prepare import _without_places


def corpus(folder: Path) -> str:
    rows = [("kk", "a", 0.9), ("kk", "a", 0.1), ("kk", "b", 0.5), ("ru", "b", 0.5), ("en", "c", 0.5)]
    write_jsonl(
        folder / "documents-00000.jsonl.zst",
        [
            {"id": str(i), "text": f"text {i}", "source": source, "language": language, "meta": {"quality": quality}}
            for i, (language, source, quality) in enumerate(rows)
        ],
    )
    return str(folder)


def test_each_part_reads_its_own_rows(tmp_path: Path) -> None:
    recipe = MixConfig(corpus=corpus(tmp_path), languages={"kk": 2.0, "ru": 1.0}, best_frac=0.5)
    entries = recipe_entries(count_parts(recipe), recipe)
    read = {entry.name: [text for _, text in read_texts(entry)] for entry in entries}
    assert read == {"kk.a": ["text 0"], "kk.b": ["text 2"], "ru.b": ["text 3"]}  # English has no weight


def test_a_source_of_weight_0_is_not_tokenised(tmp_path: Path) -> None:
    recipe = MixConfig(corpus=corpus(tmp_path), sources={"kk": {"a": 0.0, "b": 1.0}})
    assert [entry.name for entry in recipe_entries(count_parts(recipe), recipe)] == ["kk.b", "ru.b", "en.c"]


def test_rows_without_a_score_are_no_part_of_a_choice_by_score(tmp_path: Path) -> None:
    recipe = MixConfig(corpus=corpus(tmp_path), min_quality=0.4)
    (entry, *_) = recipe_entries(count_parts(recipe), recipe)
    write_jsonl(tmp_path / "documents-00000.jsonl.zst", [{"text": "x", "source": "a", "language": "kk"}])
    with pytest.raises(InputError, match=r"no meta\.quality"):
        list(read_texts(entry))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "either mix"),
        ({"mix": [{"name": "a", "path": "a"}], "recipe": {"corpus": "c"}}, "either mix"),
        ({"recipe": {"corpus": "c"}, "total_tokens": 5}, r"belong into data\.recipe"),
        ({"recipe": {"corpus": "c"}, "max_passes": 2.0}, r"belong into data\.recipe"),
        ({"recipe": {"corpus": "c", "replay_frac": 0.3, "languages": {"kk": 1.0}}}, "leave kk out"),
    ],
)
def test_mistakes(data: dict[str, Any], said: str) -> None:
    values = {"method": "cpt", "run_dir": "r", "model": {"checkpoint": "m"}, "data": data}
    with pytest.raises(ConfigError, match=said):
        config_from_values(TrainConfig, values, where="test")


def test_the_corpus_may_be_moved_and_older_runs_be_resumed() -> None:
    one, other = (TrainDataConfig(recipe=MixConfig(corpus=path, temperature=2.0)) for path in ("a", "b"))
    assert _without_places(one.to_dict()) == _without_places(other.to_dict())
    assert declared_entries(one)[0].path == "a"
    flat = TrainDataConfig.model_validate({"mix": [{"name": "a", "path": "a"}]})
    assert _without_places(flat.to_dict()) == {  # as runs wrote it before there were recipes
        "mix": [{"name": "a", "language": None, "weight": 1.0}],
        "total_tokens": None,
        "max_passes": 4.0,
    }
