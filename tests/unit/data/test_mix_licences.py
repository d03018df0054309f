import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import LicencePolicy
from qaz_llm.data.licences import rank, refusal, spdx
from qaz_llm.data.mix import plan_mix, temperature_weights
from qaz_llm.errors import ConfigError

SIZES = st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(1, 10**6), st.floats(0.01, 10)), min_size=1)


@given(SIZES, st.integers(1, 10**7), st.floats(0.5, 8))
@settings(max_examples=200, deadline=None)
def test_a_mix_keeps_the_cap_the_total_and_the_weights(
    sizes: dict[str, tuple[int, float]], total: int, passes: float
) -> None:
    available = {name: tokens for name, (tokens, _) in sizes.items()}
    weights = {name: weight for name, (_, weight) in sizes.items()}
    plan = plan_mix(available, weights, total_tokens=total, max_passes=passes)
    slack = len(sizes)  # rounding, a token per source
    capacity = sum(available.values()) * passes
    assert abs(plan.total_tokens - min(total, capacity)) <= slack
    assert all(entry.tokens <= entry.available_tokens * passes + 1 for entry in plan.entries)
    free = [entry for entry in plan.entries if entry.tokens < entry.available_tokens * passes - 1]
    for one in free:  # those below the cap stand to each other as their weights do
        for other in free:
            assert one.tokens * weights[other.name] == pytest.approx(other.tokens * weights[one.name], rel=1e-3, abs=20)


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


@pytest.mark.parametrize(
    ("weights", "said"),
    [({"kz": 1.0}, "no text for 'kz'"), ({"kk": -1.0}, "0 or more"), ({"kk": 0.0}, "no source"), ({}, "no source")],
)
def test_mix_mistakes(weights: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_mix({"kk": 10}, weights)


def test_temperature() -> None:
    assert temperature_weights({"a": 1, "b": 3}, temperature=1.0) == pytest.approx({"a": 0.25, "b": 0.75})
    flat = temperature_weights({"a": 1, "b": 3}, temperature=100.0)
    assert flat["a"] == pytest.approx(0.5, abs=0.01)


def test_freer_licences_rank_lower() -> None:
    order = ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "GPL-3.0-only", "CC-BY-NC-4.0", "LicenseRef-unknown"]
    assert sorted(order, key=rank) == order
    assert rank("MIT OR GPL-3.0-only") == rank("MIT")
    assert rank("MIT AND GPL-3.0-only") == rank("GPL-3.0-only")


def test_policy() -> None:
    policy = LicencePolicy(non_commercial="refuse", unknown="refuse", refuse=("GPL-3.0-only",))
    assert refusal("CC-BY-NC-4.0", policy) == "non_commercial"
    assert refusal(spdx("unknown"), policy) == "unknown"
    assert refusal("GPL-3.0-only", policy) == "listed"
    assert refusal("CC-BY-SA-4.0", policy) is None
    assert refusal("CC-BY-SA-4.0", LicencePolicy(share_alike="refuse")) == "share_alike"
    assert refusal("CC-BY-NC-ND-4.0", LicencePolicy(no_derivatives="refuse")) == "no_derivatives"
