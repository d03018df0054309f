from pathlib import Path

import pytest

from qaz_llm.config import config_from_values, load_config
from qaz_llm.data.config import DataConfig
from qaz_llm.errors import ConfigError

SMALLEST = {
    "sources": [
        {"name": "a", "path": "a.jsonl", "format": "jsonl", "text_field": "text", "language": "kk", "licence": "MIT"}
    ]
}
CONFIGS = Path(__file__).parents[3] / "configs" / "data"


def test_the_smallest_config_stands() -> None:
    config = config_from_values(DataConfig, SMALLEST, where="test", overrides=["out=there"])
    assert config.out == Path("there")
    assert config.pii.enabled
    assert config.dedup.near


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_are_valid(path: Path) -> None:
    assert load_config(DataConfig, path).sources


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sources.0.language=kz", "country code"),
        ("sources.0.text_feild=x", "did you mean 'text_field'"),
        ("sources.0.rows_per_document=0", "rows_per_document"),
        ("sources=[]", "sources"),
        ("dedup.min_jaccard=1.5", "min_jaccard"),
        ("filters.preset=strict", "preset"),
        ("conversations=[{name: p, path: x, kind: parallel, texts: {kk: kk}}]", "field of each language"),
        ("conversations=[{name: p, path: x, kind: parallel, texts: {kz: kk, ru: ru}}]", "country code"),
    ],
)
def test_mistakes_are_named(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config_from_values(DataConfig, SMALLEST, where="test", overrides=[override])


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two sources"):
        config_from_values(DataConfig, {"sources": SMALLEST["sources"] * 2}, where="test")
