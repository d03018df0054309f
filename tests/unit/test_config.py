"""Strict YAML 1.2 to frozen models: what is read, what is refused, and what the refusal says."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from qaz_llm.config import (
    LanguageCode,
    LanguageOrAuto,
    StrictModel,
    config_from_values,
    dump_yaml,
    load_config,
)
from qaz_llm.errors import ConfigError


class Optimiser(StrictModel):
    lr: float = Field(1e-3, gt=0)
    warmup_steps: int = 0
    betas: tuple[float, ...] = (0.9, 0.95)


class Source(StrictModel):
    name: str
    path: str
    language: LanguageOrAuto = "auto"


class Plain(StrictModel):
    kind: Literal["plain"] = "plain"
    width: int = 1


class Wide(StrictModel):
    kind: Literal["wide"]
    height: int = 1


class Example(StrictModel):
    name: str = "x"
    time_limit: str = ""
    resume: bool = False
    max_steps: int = 10
    language: LanguageCode = "kk"
    optimiser: Optimiser = Optimiser()
    sources: tuple[Source, ...] = ()
    labels: dict[str, int] = Field(default_factory=dict)
    shape: Plain | Wide = Field(Plain(), discriminator="kind")

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Example:
        if self.optimiser.warmup_steps > self.max_steps:
            raise ValueError(f"warmup_steps {self.optimiser.warmup_steps} is more than max_steps {self.max_steps}")
        return self


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Write a config and load it; further files by name."""

    def run(text: str, *overrides: str, **files: str) -> Example:
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(content, encoding="utf-8")
        path = tmp_path / "main.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(Example, path, overrides)

    return run


def refusal(load: Any, text: str, *overrides: str, **files: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides, **files)
    assert caught.value.exit_code == 2
    return str(caught.value)


# ----------------------------------------------------------------------------------------------------------- YAML traps


@pytest.mark.parametrize(
    ("text", "value"), [("3e-4", 0.0003), ("1e5", 100000.0), (".5", 0.5), ("2", 2.0), ("6.02E+3", 6020.0)]
)
def test_numbers_with_an_exponent_are_floats(load: Any, text: str, value: float) -> None:
    read = load(f"optimiser: {{lr: {text}}}").optimiser.lr
    assert isinstance(read, float)
    assert math.isclose(read, value)
    assert load("name: a", f"optimiser.lr={text}").optimiser.lr == read


@pytest.mark.parametrize(
    "text",
    ["12:30:00", "1:2", "no", "yes", "on", "off", "NO", "2024-01-31", "2024-01-31T12:00:00Z", "2001-12-14t21:59:43.10-05:00", "=", "<<", "1.2.3", "é"],
)  # fmt: skip
def test_words_stay_the_words_they_are(load: Any, text: str) -> None:
    assert load(f"name: {text}").name == text
    assert load("resume: true", f"name={text}").name == text


@pytest.mark.parametrize("text", ["no", "yes", "on", "off", "n", "0", "1", "'true'"])
def test_only_true_and_false_are_bools(load: Any, text: str) -> None:
    said = refusal(load, f"name: a\nresume: {text}")
    assert "main.yaml:2: resume: Input should be a valid boolean" in said
    assert load("resume: true").resume is True
    assert load("resume: False").resume is False


def test_repeated_keys_are_refused_with_both_lines(load: Any) -> None:
    said = refusal(load, "name: a\noptimiser:\n  lr: 1\n  warmup_steps: 2\n  lr: 2\n")
    assert re.search(r"main\.yaml:5: duplicate key 'lr'.*main\.yaml:3", said)
    assert "main.yaml:2: duplicate key 'name'" in refusal(load, "name: a\nname: b")
    assert "duplicate key '1'" in refusal(load, "labels: {1: 2, '1': 3}")


@pytest.mark.parametrize(
    "text", ["name: 3e-4", "name: 1.10", "name: ~", "name: true", "max_steps: '5'", "max_steps: 1.5"]
)
def test_nothing_is_coerced(load: Any, text: str) -> None:
    assert "Input should be a valid" in refusal(load, text)


def test_whole_floats_say_how_to_write_them(load: Any) -> None:
    assert "write it as 1000 " in refusal(load, "max_steps: 1e3")
    assert "write it as" not in refusal(load, "max_steps: 2.5")
    assert "write it as" not in refusal(load, "max_steps: .inf")


def test_yaml_1_1_cannot_be_asked_for(load: Any) -> None:
    assert "YAML 1.2" in refusal(load, "%YAML 1.1\n---\nresume: no")
    assert load("%YAML 1.2\n---\nresume: true").resume


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c", "name: [1", "\tname: 1", "name: 1\n---\nname: 2", "- a", "", "# nothing", "just words",
        "? [a, b]\n: 1", "? {a: b}\n: 1", "labels: &a {x: *a}", "sources: &a [*a]", "name: !!binary aGVsbG8=",
        "labels: !!set {a, b}", "name: !own x", "name: !!python/object:os.system x", "name: !!int abc", "name: *missing",
        "optimiser:\n  <<: {lr: 1}", "1: 1", "null: 1", "2024-01-01: 1", "name: @x", "name: \x07",
    ],
)  # fmt: skip
def test_what_is_no_config_is_refused_readably(load: Any, text: str) -> None:
    said = refusal(load, text)
    assert "main.yaml" in said
    assert "Node(" not in said


def test_keys_are_text_as_written(load: Any) -> None:
    assert load("labels: {1: 2, 010: 3, true: 4, no: 5}").labels == {"1": 2, "010": 3, "true": 4, "no": 5}


def test_anchors_are_read(load: Any) -> None:
    config = load("sources:\n- &s {name: a, path: p}\n- *s")
    assert config.sources[0] == config.sources[1]


def test_kazakh_and_byte_order_marks(load: Any) -> None:
    assert load("\ufeffname: Қазақша ә ғ қ ң ө ұ ү һ і").name == "Қазақша ә ғ қ ң ө ұ ү һ і"


# -------------------------------------------------------------------------------------------------------------- messages


def test_unknown_keys_name_place_and_what_was_meant(load: Any) -> None:
    said = refusal(load, "name: a\noptimizer:\n  lr: 1\n")
    assert "main.yaml:2: optimizer: unknown key; did you mean 'optimiser'?" in said
    said = refusal(load, "name: a\noptimiser:\n  lr: 1\n  warm_up_steps: 3\n")
    assert "main.yaml:4: optimiser.warm_up_steps: unknown key; did you mean 'warmup_steps'?" in said
    said = refusal(load, "sources:\n- name: a\n  path: b\n  lang: kk\n")
    assert "main.yaml:4: sources.0.lang: unknown key; " in said
    assert "language" in said
    said = refusal(load, "qqqq: 1")
    assert "known keys here: language, labels" in said or "known keys here: labels, language" in said
    said = refusal(load, "shape:\n  kind: wide\n  heigth: 3\n")
    assert "did you mean 'height'?" in said


def test_all_problems_are_listed_once(load: Any) -> None:
    said = refusal(load, "nmae: a\nresume: no\nlanguage: kz\noptimiser:\n  lr: -1\nsources:\n- name: a\n")
    lines = said.splitlines()
    assert "5 problems" in lines[0]
    assert len(lines) == 6
    for place, words in (
        (1, "did you mean 'name'"), (2, "valid boolean"), (3, "'kk' (ISO 639-1)"), (5, "greater than 0"), (7, "missing"),
    ):  # fmt: skip
        assert any(f"main.yaml:{place}: " in line and words in line for line in lines), (place, said)


def test_cross_field_checks_speak(load: Any) -> None:
    assert "warmup_steps 20 is more than max_steps 10" in refusal(load, "optimiser: {warmup_steps: 20}")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("kz", "country code"),
        ("kaz", "did you mean 'kk'"),
        ("rus", "did you mean 'ru'"),
        ("xx", "kk, ru, en"),
        ("KK", "unknown language"),
    ],
)
def test_language_codes(load: Any, code: str, words: str) -> None:
    assert words in refusal(load, f"language: {code}")
    assert words in refusal(load, f"sources: [{{name: a, path: b, language: {code}}}]")
    assert "auto" in refusal(load, "language: auto")
    assert load("sources: [{name: a, path: b, language: auto}]").sources[0].language == "auto"


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("name: a")
    with pytest.raises(ConfigError, match=r"did you mean .*demo\.yaml"):
        load_config(Example, tmp_path / "dmeo.yaml")
    with pytest.raises(ConfigError, match="no such config file"):
        load_config(Example, tmp_path / "no" / "folder.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Example, tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Example, tmp_path / "bytes.yaml")


# ----------------------------------------------------------------------------------------------------------- inheritance


def test_a_base_is_read_below_this_file(load: Any) -> None:
    config = load(
        "base: first.yaml\noptimiser:\n  lr: 2\nsources: [{name: c, path: c}]\n",
        first="base: second.yaml\nname: first\noptimiser: {lr: 1, warmup_steps: 3}\n",
        second="name: second\nmax_steps: 77\nsources: [{name: a, path: a}, {name: b, path: b}]\n",
    )
    assert (config.name, config.max_steps) == ("first", 77)
    assert (config.optimiser.lr, config.optimiser.warmup_steps) == (2, 3)
    assert [s.name for s in config.sources] == ["c"]  # lists are replaced whole


def test_a_section_inherits_from_a_file_of_its_own(load: Any) -> None:
    config = load(
        "optimiser:\n  base: part.yaml\n  lr: 5\n",
        part="base: root.yaml\nlr: 1\nwarmup_steps: 4\n",
        root="betas: [0.5]\n",
    )
    assert (config.optimiser.lr, config.optimiser.warmup_steps, config.optimiser.betas) == (5, 4, (0.5,))


def test_bases_are_found_beside_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.yaml").write_text("base: sub/a.yaml")
    (tmp_path / "sub" / "a.yaml").write_text("base: b.yaml")
    (tmp_path / "sub" / "b.yaml").write_text("name: found")
    assert load_config(Example, tmp_path / "main.yaml").name == "found"


def test_bad_bases_are_refused(load: Any) -> None:
    assert "in a circle: main.yaml → a.yaml → main.yaml" in refusal(load, "base: a.yaml", a="base: main.yaml")
    assert "in a circle" in refusal(load, "optimiser:\n  base: main.yaml")
    said = refusal(load, "name: a\nbase: nowhere.yaml")
    assert "nowhere.yaml: no such config file" in said
    assert "main.yaml:2" in said
    assert "main.yaml:1: 'base' names one config file" in refusal(load, "base: 3")
    assert "'base' names one config file" in refusal(load, "base: [a.yaml, b.yaml]")


def test_problems_are_placed_in_the_file_they_come_from(load: Any) -> None:
    said = refusal(load, "base: first.yaml\nname: 5\n", first="name: a\noptimiser:\n  lr: bad\n")
    assert "main.yaml:2: name" in said
    assert "first.yaml:3: optimiser.lr" in said


# ------------------------------------------------------------------------------------------------------------- overrides

BASE = "optimiser: {lr: 1, warmup_steps: 3}\nsources:\n- {name: a, path: p}\n- {name: b, path: q}\n"


def test_overrides_reach_everywhere_and_the_last_wins(load: Any) -> None:
    config = load(BASE, "optimiser.lr=3e-4", "sources.1.name=c", "max_steps=5", "labels.x=1", "optimiser.lr=2e-4")
    assert (config.optimiser.lr, config.optimiser.warmup_steps, config.max_steps) == (2e-4, 3, 5)
    assert [s.name for s in config.sources] == ["a", "c"]
    assert config.labels == {"x": 1}
    assert load(BASE, "sources=[]").sources == ()
    assert load(BASE, "optimiser={lr: 4}").optimiser.warmup_steps == 0
    assert load(BASE, "name='a=b: c'").name == "a=b: c"
    assert load(BASE, "name=a=b").name == "a=b"
    assert load("shape: {kind: wide}", "shape.height=3").shape == Wide(kind="wide", height=3)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimiser.lr", "is no override"), ("=3", "is no override"), ("sources.2.name=x", "list of 2"),
        ("sources.-1.name=x", "list of 2"), ("sources.²=x", "list of 2"), ("sources.name=x", "list of 2"),
        ("optimiser.lr.x=1", "is a single value"), ("name=[a", "put it in quotes"), ("name=a: b: c", "put it in quotes"),
        ("name=@x", "put it in quotes"), ("optimizer.lr=1", "did you mean 'optimiser'"), ("resume=no", "valid boolean"),
        ("optimiser={lr: 1, lr: 2}", "duplicate key 'lr'"), ("name=", "valid string"), (".name=3", "unknown key"),
    ],
)  # fmt: skip
def test_bad_overrides_say_which_and_why(load: Any, override: str, words: str) -> None:
    said = refusal(load, BASE, override)
    assert words in said
    assert override in said
    assert "http" not in said


def test_a_problem_below_an_override_is_placed_in_the_override(load: Any) -> None:
    said = refusal(load, "optimiser:\n  lr: fine\n", "optimiser={lr: worse}")
    assert "override 'optimiser={lr: worse}': optimiser.lr" in said
    assert "main.yaml:2" not in said


def test_values_made_in_code_are_left_alone() -> None:
    values = {"optimiser": {"lr": 1.0}, "sources": [{"name": "a", "path": "p"}]}
    before = json.dumps(values)
    config = config_from_values(Example, values, where="here", overrides=["optimiser.lr=2", "sources.0.name=b"])
    assert (config.optimiser.lr, config.sources[0].name) == (2, "b")
    assert json.dumps(values) == before
    with pytest.raises(ConfigError, match=r"^here: 1 problem"):
        config_from_values(Example, {"name": 1}, where="here")


# ------------------------------------------------------------------------------------------------- models, dump, schema


def test_configs_are_frozen(load: Any) -> None:
    config = load(BASE)
    with pytest.raises(ValidationError):
        config.name = "y"
    with pytest.raises(ValidationError):
        config.optimiser.lr = 2


def test_a_dumped_config_reads_back_the_same(load: Any, tmp_path: Path) -> None:
    config = load(BASE, "name='no'", "time_limit=12:30:00", "language=ru", "optimiser.lr=3e-4", "labels={'1e3': 2}")
    text = dump_yaml(config.to_dict())
    (tmp_path / "dumped.yaml").write_text(text, encoding="utf-8")
    assert load_config(Example, tmp_path / "dumped.yaml") == config
    assert "Қала" in dump_yaml({"a": "Қала"})


def test_the_schema_describes_the_model() -> None:
    schema = Example.model_json_schema()
    json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Example.model_fields)
    assert schema["$defs"]["Source"]["required"] == ["name", "path"]
    names = re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(schema))
    assert set(names) <= set(schema["$defs"])  # every reference leads somewhere
