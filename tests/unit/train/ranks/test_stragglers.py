"""Who is slow, by times with a culprit that is known."""

from __future__ import annotations

from qaz_llm.train.ranks.stragglers import IN_ROW, StragglerWatch, find_slow, in_row

NODES = ["n1", "n1", "n2", "n2"]
EVEN = {"read_s": [0.001] * 4, "forward_s": [0.20, 0.21, 0.20, 0.20], "probe_s": [0.001] * 4}
SLOW = EVEN | {"forward_s": [0.20, 0.21, 0.20, 0.52]}


def test_the_slow_one_is_found_with_its_node() -> None:
    (found,) = find_slow(SLOW, NODES, step_s=1.0, ratio=1.5)
    assert (found.rank, found.node, found.what) == (3, "n2", "forward_s")
    assert found.line() == "rank 3 on n2: the forward pass takes it 2.60 × the median (520 ms, 200)"
    assert find_slow(SLOW, NODES, step_s=1.0, ratio=2.7) == []
    assert find_slow(EVEN, NODES, step_s=1.0, ratio=1.5) == []


def test_of_two_the_slow_one_is_compared_with_the_other() -> None:
    (found,) = find_slow({"probe_s": [0.002, 0.001]}, ["a", "b"], step_s=1.0, ratio=1.5)
    assert (found.rank, found.ratio) == (0, 2.0)


def test_ten_times_of_nothing_is_nothing() -> None:
    reads = {"read_s": [0.001, 0.001, 0.010, 0.001]}
    assert find_slow(reads, NODES, step_s=1.0, ratio=1.5) == []
    assert len(find_slow(reads, NODES, step_s=0.1, ratio=1.5)) == 1


def test_once_is_chance_and_twice_is_said_once_until_it_is_over() -> None:
    watch = StragglerWatch(NODES, 1.5)
    seen = [watch.look(times, 1.0) for times in (SLOW, EVEN, SLOW, SLOW, SLOW, EVEN)]
    assert IN_ROW == 2
    assert [len(slow) for slow, _ in seen] == [0, 0, 0, 1, 1, 0]
    assert [len(lines) for _, lines in seen] == [0, 0, 0, 1, 0, 1]
    assert seen[-1][1] == ["rank 3 on n2: the forward pass takes it no longer than others"]


def test_a_row_tells_the_median_the_slowest_and_all() -> None:
    row = dict(in_row({"forward_s": [0.2, 0.21, 0.2, 0.52]}, NODES))["forward_s"]
    assert row == {
        "median": 0.2, "most": 0.52, "ratio": 2.6, "rank": 3, "node": "n2", "by_rank": [0.2, 0.21, 0.2, 0.52],
    }  # fmt: skip
    assert "by_rank" not in dict(in_row({"forward_s": [1.0] * 65}, ["n"] * 65))["forward_s"]
