"""Sharing tokens out: against bisection, by hand, and as properties."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.config import load_config
from qaz_llm.data.config import MixConfig
from qaz_llm.data.mixing.corpus_mix import BYTES_PER_TOKEN, count_parts, describe_mix
from qaz_llm.data.mixing.mix import MixPlan, plan_corpus_mix, plan_mix
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.data.mixing.weights import temperature_weights
from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import write_jsonl

DOCS = Path(__file__).parents[3] / "docs" / "mixing.md"
SIZES = st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(1, 10**6), st.floats(0.01, 10)), min_size=1)
PARTS = st.dictionaries(
    st.tuples(st.sampled_from(["kk", "ru", "en"]), st.sampled_from("abcd")), st.integers(1, 10**7), min_size=1
)


def recipe(**values: Any) -> MixConfig:
    return MixConfig(corpus="corpus", **values)


def poured(weights: dict[str, float], limits: dict[str, float], total: float) -> dict[str, float]:
    """Water-filling by bisection on the level: everyone gets level × weight, or the limit where that is less."""
    low, high = 0.0, max(limits[name] / weights[name] for name in weights)
    for _ in range(200):
        level = (low + high) / 2
        if sum(min(limits[n], level * weights[n]) for n in weights) < total:
            low = level
        else:
            high = level
    return {name: min(limits[name], high * weights[name]) for name in weights}


@given(SIZES, st.integers(1, 10**7), st.floats(0.5, 8))
@settings(max_examples=200, deadline=None)
def test_a_flat_mix_is_what_bisection_finds(sizes: dict[str, tuple[int, float]], total: int, passes: float) -> None:
    available = {name: tokens for name, (tokens, _) in sizes.items()}
    weights = {name: weight for name, (_, weight) in sizes.items()}
    plan = plan_mix(available, weights, total_tokens=total, max_passes=passes)
    expected = poured(weights, {name: tokens * passes for name, tokens in available.items()}, total)
    assert {e.name: e.tokens for e in plan.entries} == pytest.approx(expected, abs=1, rel=1e-9)
    missing = total - sum(available.values()) * passes
    assert plan.is_short or missing <= 2 * len(sizes)  # within the rounding of a token per part both are right
    assert not plan.is_short or missing > 0


@given(PARTS, st.integers(1, 10**8), st.floats(0.5, 8), st.floats(0.2, 20), st.booleans())
@settings(max_examples=200, deadline=None)
def test_properties_of_a_corpus_mix(
    sizes: dict[tuple[str, str], int], total: int, passes: float, temperature: float, exact: bool
) -> None:
    parts = [MixPart(language, source, tokens) for (language, source), tokens in sorted(sizes.items())]
    weights = {"kk": 3.0, "ru": 2.0, "en": 1.0}
    used = {p.language: weights[p.language] for p in parts}
    config = recipe(
        languages=used, temperature=temperature, max_passes=passes, total_tokens=None if exact else total, sliver_frac=0
    )
    plan = plan_corpus_mix(parts, config)
    slack = len(parts)
    if plan.total_tokens:
        assert sum(entry.share_frac for entry in plan.entries) == pytest.approx(1)
    assert all(entry.tokens <= entry.available_tokens * passes + 1 for entry in plan.entries)
    held = plan.languages()
    capacity = {name: sum(p.tokens for p in parts if p.language == name) * passes for name in used}
    if exact:
        scale = sum(used.values())
        for name, share in held.items():
            assert share["tokens"] == pytest.approx(plan.requested_tokens * used[name] / scale, abs=2 * slack)
    else:
        expected = poured(used, capacity, total)
        assert {n: s["tokens"] for n, s in held.items()} == pytest.approx(expected, abs=slack, rel=1e-9)
    for language in used:  # inside a language, sources stand to each other as the temperature says, up to the cap
        group = {p.name: p.tokens for p in parts if p.language == language}
        tokens = {e.name: e.tokens for e in plan.entries if e.language == language}
        wanted = poured(
            temperature_weights(group, temperature=temperature),
            {n: t * passes for n, t in group.items()},
            held[language]["tokens"],
        )
        assert tokens == pytest.approx(wanted, abs=2 * slack, rel=1e-6)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 10**6), min_size=1))
def test_temperature_from_the_sizes_to_all_equal(sizes: dict[str, int]) -> None:
    total = sum(sizes.values())
    assert temperature_weights(sizes, temperature=1.0) == pytest.approx({n: s / total for n, s in sizes.items()})
    assert temperature_weights(sizes, temperature=1e9) == pytest.approx(dict.fromkeys(sizes, 1 / len(sizes)))


def test_without_a_total_weights_hold_and_the_scarcest_source_decides() -> None:
    plan = plan_mix({"kk": 100, "ru": 1000, "en": 5000}, {"kk": 0.5, "ru": 0.25, "en": 0.25})
    assert [(e.name, e.tokens, e.passes) for e in plan.entries] == [
        ("kk", 400, 4.0),
        ("ru", 200, 0.2),
        ("en", 200, 0.04),
    ]
    assert not plan.is_short


def test_too_little_text_is_said() -> None:
    plan = plan_mix({"kk": 10, "ru": 10}, {"kk": 1, "ru": 1}, total_tokens=1000)
    assert plan.is_short
    assert plan.total_tokens == 80
    assert "1,000 were asked for" in plan.lines()[0]


def test_rounding_is_no_shortage() -> None:
    plan = plan_mix({"a": 10**6, "b": 10**6, "c": 10**6}, {"a": 1, "b": 1, "c": 1}, total_tokens=1000)
    assert plan.total_tokens == 999
    assert not plan.is_short


def test_what_a_capped_language_cannot_give_goes_to_the_others() -> None:
    parts = [MixPart("kk", "wiki", 10), MixPart("ru", "web", 1000), MixPart("en", "web", 1000)]
    plan = plan_corpus_mix(parts, recipe(languages={"kk": 0.7, "ru": 0.2, "en": 0.1}, total_tokens=1000))
    # kk: 4 × 10; of the other 960, ru 2/3 and en 1/3
    assert [(e.name, e.tokens) for e in plan.entries] == [("kk.wiki", 40), ("ru.web", 640), ("en.web", 320)]


def test_without_a_total_the_weights_of_sources_hold_too() -> None:
    parts = [MixPart("kk", "wiki", 40), MixPart("kk", "web", 1000), MixPart("ru", "web", 1000)]
    plan = plan_corpus_mix(parts, recipe(replay_frac=0.5, sources={"kk": {"wiki": 1, "web": 3}}))
    # the encyclopedia gives 4 × 40 tokens and is a quarter of a half
    assert [(e.name, e.tokens) for e in plan.entries] == [("kk.wiki", 160), ("kk.web", 480), ("ru.web", 640)]
    assert plan.limited_by == "kk.wiki"
    assert (
        "limited by kk.wiki: 4 passes (max_passes) over its 40 tokens give the 12.5% of its weight" in plan.lines()[-1]
    )


# ------------------------------------------------------------------------------------------------- what limits a mix


REPLAY = {"replay_frac": 0.3, "languages": {"ru": 1, "en": 1}}


def of_languages(plan: MixPlan) -> dict[str, float]:
    return {name: share["tokens"] for name, share in plan.languages().items()}


def test_a_sliver_of_a_language_does_not_limit_the_mix() -> None:
    parts = [MixPart("kk", "web", 1_000_000), MixPart("ru", "web", 200_000), MixPart("en", "web", 100)]
    plan = plan_corpus_mix(parts, recipe(**REPLAY))
    # 4 × 200,000 tokens of Russian are 15 of the 85 per cent that are not English; English gives 4 × 100
    assert of_languages(plan) == {"kk": 3_733_333, "ru": 800_000, "en": 400}
    assert plan.limited_by == "ru"
    assert [(s.name, s.asked_frac) for s in plan.shortfalls] == [("en", 0.15)]
    assert plan.lines()[-1] == (
        "  en gives 0.0% of the mix, not the 15.0% of its weight: 4 passes over its 100 tokens are all there is (max_passes)"
    )
    exact = plan_corpus_mix(parts, recipe(**REPLAY, sliver_frac=0.0))
    assert of_languages(exact) == {"kk": 1866, "ru": 400, "en": 400}
    assert (exact.limited_by, exact.shortfalls) == ("en", ())


def test_two_slivers_and_a_sliver_of_a_source() -> None:
    parts = [
        MixPart("kk", "web", 1_000_000), MixPart("kk", "leaflets", 7), MixPart("ru", "web", 3000), MixPart("en", "web", 9)
    ]  # fmt: skip
    plan = plan_corpus_mix(parts, recipe(**REPLAY, temperature=2.0))
    assert of_languages(plan) == {"kk": 4_000_028, "ru": 12_000, "en": 36}
    assert plan.limited_by == "kk"
    assert [shortfall.name for shortfall in plan.shortfalls] == ["kk.leaflets", "ru", "en"]


def test_what_is_scarce_but_no_sliver_limits_the_mix_and_is_named() -> None:
    parts = [MixPart("kk", "web", 1_000_000), MixPart("ru", "web", 30_000), MixPart("en", "web", 5_000_000)]
    plan = plan_corpus_mix(parts, recipe(**REPLAY))
    assert of_languages(plan) == {"kk": 560_000, "ru": 120_000, "en": 120_000}
    assert (plan.limited_by, plan.shortfalls) == ("ru", ())


def test_the_language_of_the_largest_weight_is_never_a_sliver() -> None:
    """Little Kazakh beside much Russian: the mix is as long as the Kazakh allows, not as the Russian does."""
    parts = [MixPart("kk", "web", 1000), MixPart("ru", "web", 10**9), MixPart("en", "web", 10**9)]
    plan = plan_corpus_mix(parts, recipe(**REPLAY))
    assert (of_languages(plan)["kk"], plan.limited_by) == (4000, "kk")


def test_with_a_total_the_text_that_is_short_is_named() -> None:
    parts = [MixPart("kk", "web", 1000), MixPart("ru", "web", 10), MixPart("en", "web", 1000)]
    plan = plan_corpus_mix(parts, recipe(**REPLAY, total_tokens=1000))
    assert plan.limited_by == "total_tokens"
    assert [(s.name, s.share_frac) for s in plan.shortfalls] == [("ru", 0.04)]
    short = plan_corpus_mix(parts, recipe(**REPLAY, total_tokens=100_000))
    assert short.limited_by == "max_passes"
    assert "limited by max_passes: all text is read 4 times" in "\n".join(short.lines())


@given(PARTS, st.floats(0.5, 8), st.floats(0.2, 20), st.floats(0, 0.5))
@settings(max_examples=200, deadline=None)
def test_slivers_never_make_a_mix_shorter(
    sizes: dict[tuple[str, str], int], passes: float, temperature: float, sliver_frac: float
) -> None:
    parts = [MixPart(language, source, tokens) for (language, source), tokens in sorted(sizes.items())]
    used = {p.language: {"kk": 3.0, "ru": 2.0, "en": 1.0}[p.language] for p in parts}
    values: dict[str, Any] = {"languages": used, "temperature": temperature, "max_passes": passes}
    plan, exact = (plan_corpus_mix(parts, recipe(**values, sliver_frac=frac)) for frac in (sliver_frac, 0.0))
    slack = len(parts) + 1
    assert plan.total_tokens >= exact.total_tokens - slack
    assert all(entry.tokens <= entry.available_tokens * passes + 1 for entry in plan.entries)
    assert plan.total_tokens == pytest.approx(plan.requested_tokens, abs=slack, rel=1e-6)
    short = {shortfall.name for shortfall in plan.shortfalls}
    scale = sum(used.values())
    for name, share in plan.languages().items():  # a language has its weight, or more, or it is named
        assert name in short or share["share_frac"] >= used[name] / scale - 0.001 - slack / max(plan.total_tokens, 1)


@pytest.mark.parametrize(
    ("weights", "said"),
    [({"kz": 1.0}, "no text for 'kz'"), ({"kk": -1.0}, "0 or more"), ({"kk": 0.0}, "no source"), ({}, "no source")],
)
def test_mix_mistakes(weights: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_mix({"kk": 10}, weights)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"languages": {"en": 1.0}}, "no text in en"),
        ({"sources": {"kk": {"wiki": 1.0}}}, "no weight for 'web' in kk"),
        ({"sources": {"kk": {"wiki": 1.0, "web": 0.0, "law": 1.0}}}, "no text of 'law' in kk"),
        ({"sources": {"kk": {"wiki": 0.0, "web": 0.0}}}, "no source of kk"),
    ],
)
def test_recipe_mistakes(values: dict[str, Any], said: str) -> None:
    parts = [MixPart("kk", "wiki", 10), MixPart("kk", "web", 10), MixPart("ru", "web", 10)]
    with pytest.raises(ConfigError, match=said):
        plan_corpus_mix(parts, recipe(**values))


def test_replay_needs_another_language_and_no_weight_for_kazakh() -> None:
    with pytest.raises(ConfigError, match=r"replay_frac 0\.5 needs text"):
        plan_corpus_mix([MixPart("kk", "wiki", 10)], recipe(replay_frac=0.5))
    with pytest.raises(ValueError, match="leave kk out"):
        recipe(replay_frac=0.5, languages={"kk": 1.0})
    only = plan_corpus_mix([MixPart("kk", "wiki", 10), MixPart("ru", "web", 10)], recipe(replay_frac=0.0))
    assert [(e.name, e.tokens) for e in only.entries] == [("kk.wiki", 40)]


# ------------------------------------------------------------------------------------------------------- the page


def test_the_worked_example_of_the_page_is_what_the_code_plans(tmp_path: Path) -> None:
    page = DOCS.read_text()
    (tmp_path / "mix.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.S).group(1))  # type: ignore[union-attr]
    rows = re.findall(r"^\| (kk|ru|en) \| (\w+) \| ([\d,]+) \|$", page, re.M)
    parts = [MixPart(language, source, int(tokens.replace(",", ""))) for language, source, tokens in rows]
    assert len(parts) == 4
    plan = plan_corpus_mix(parts, load_config(MixConfig, tmp_path / "mix.yaml"))
    printed = re.search(r"```text\n(.*?)```", page, re.S).group(1)  # type: ignore[union-attr]
    assert "\n".join(plan.lines()) == printed.rstrip("\n")
    # by hand: 1 − 0.3 of 10⁹, four times 60 M, the rest; 300 M in 2 : 1
    assert [e.tokens for e in plan.entries] == [240_000_000, 460_000_000, 200_000_000, 100_000_000]
    assert [e.capped for e in plan.entries] == [True, False, False, False]
    small = temperature_weights({"small": 10, "large": 1000}, temperature=2.0)["small"]
    assert f"{small:.1%}".replace("%", " %") in page


# -------------------------------------------------------------------------------------------------------- a corpus


def corpus(folder: Path) -> Path:
    """kk.a: scores .9 .5 .1 with 300, 300 and 400 bytes; kk.b: 100 bytes; ru.b: 200 bytes."""
    rows = [
        ("kk", "a", 0.9, 300), ("ru", "b", 0.3, 200), ("kk", "a", 0.5, 300), ("kk", "a", 0.1, 400), ("kk", "b", 0.2, 100)
    ]  # fmt: skip
    write_jsonl(
        folder / "documents-00000.jsonl.zst",
        [
            {"id": str(i), "text": "x" * size, "source": source, "language": language, "meta": {"quality": quality}}
            for i, (language, source, quality, size) in enumerate(rows)
        ],
    )
    return folder


def sizes(parts: list[MixPart]) -> dict[str, int]:
    return {part.name: part.tokens for part in parts}


def test_a_corpus_is_counted_by_language_and_source(tmp_path: Path) -> None:
    config = MixConfig(corpus=str(corpus(tmp_path)))
    rates = {"kk": BYTES_PER_TOKEN["kk"], "ru": BYTES_PER_TOKEN["ru"]}
    expected = {"kk.a": 1000 / rates["kk"], "kk.b": 100 / rates["kk"], "ru.b": 200 / rates["ru"]}
    assert sizes(count_parts(config)) == {name: round(tokens) for name, tokens in expected.items()}
    by_letter = count_parts(config, count_tokens=lambda texts: sum(map(len, texts)))
    assert sizes(by_letter) == {"kk.a": 1000, "kk.b": 100, "ru.b": 200}
    assert "estimated from UTF-8 bytes" in describe_mix(config).lines()[-1]


def test_better_text_is_taken_first(tmp_path: Path) -> None:
    def count(texts: Any) -> int:
        return sum(map(len, texts))

    path = str(corpus(tmp_path))
    parts = count_parts(MixConfig(corpus=path, best_frac=0.5), count_tokens=count)
    assert [(p.name, p.tokens, p.min_quality) for p in parts] == [
        ("kk.a", 600, 0.5),  # 300 bytes are less than half of 1000, 600 are enough
        ("kk.b", 100, 0.2),
        ("ru.b", 200, 0.3),
    ]
    (best, *_) = count_parts(MixConfig(corpus=path, best_frac=0.3), count_tokens=count)
    assert (best.tokens, best.min_quality) == (300, 0.9)
    parts = count_parts(MixConfig(corpus=path, min_quality=0.25), count_tokens=count)
    assert [(p.name, p.tokens, p.min_quality) for p in parts] == [("kk.a", 600, 0.25), ("ru.b", 200, 0.25)]


def test_what_cannot_be_mixed_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no documents-"):
        describe_mix(MixConfig(corpus=str(tmp_path)))
    write_jsonl(tmp_path / "documents-0.jsonl", [{"text": "x", "language": "kk", "source": "a"}])
    with pytest.raises(InputError, match=r"no meta\.quality"):
        describe_mix(MixConfig(corpus=str(tmp_path), best_frac=0.5))
    with pytest.raises(InputError, match="no document is left"):
        write_jsonl(tmp_path / "documents-0.jsonl", [])
        describe_mix(MixConfig(corpus=str(tmp_path)))


def test_the_config_that_ships_is_a_recipe() -> None:
    for path in (DOCS.parents[1] / "configs" / "mix").glob("*.yaml"):
        assert load_config(MixConfig, path).corpus
