"""What tells of a machine is found in texts, and what only looks like it is left."""

from __future__ import annotations

import pytest

from qaz_llm.io.machine import MachineWords, paths_in

WORDS = MachineWords(
    frozenset({"aigul"}), frozenset({"node07", "node07.alem.kz"}), {"/scratch/run 7": "<run>", "/scratch/r7": "<run>"}
)


@pytest.mark.parametrize(
    "text",
    [
        "/home/aigul/run/a.json",
        "see '/mnt/data/x.jsonl', please",
        "~/corpora",
        "~/corpora/kk/a.txt",
        "file:///srv/models/kk",
        "scp aigul@node07:/data/kk/a.jsonl .",
        r"C:\Users\aigul\model",
        "<td>/home/x/y</td>",
        "PYTHONPATH=/opt/qaz/src",
        "/data",
    ],
)
def test_paths_are_found_and_replaced(text: str) -> None:
    assert list(paths_in(text))
    clean, counts = WORDS.replace(text)
    assert counts["path"] == 1 and not list(paths_in(clean)) and not WORDS.replace(clean)[1]


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co/issai/kazqad/tree/main",
        "kk/ru/en",
        "HuggingFaceTB/SmolLM2-135M",
        "<b>қою</b> <br/>",
        "text/html; image/svg+xml",
        "31/12/2026 және 1/2",
        "a / b / c",
        "[^\\s\\p{L}\\p{N}]+[\\r\\n/]*",
        "<run>/sft/model and &lt;path&gt;/model",
        "embedded/mc_items.jsonl",
        "50 км/сағ",
    ],
)
def test_what_only_looks_like_a_path_is_left(text: str) -> None:
    assert list(paths_in(text)) == [] and WORDS.replace(text) == (text, {})


def test_names_are_whole_words_and_a_run_keeps_its_parts() -> None:
    assert (
        WORDS.replace("aigul on node07.alem.kz, not aigul2 or node071")[0] == "<user> on <host>, not aigul2 or node071"
    )
    assert WORDS.replace("/scratch/r7/sft/model /scratch/r77/sft")[0] == "<run>/sft/model <path>/sft"
    value, counts = WORDS.replace_in({"/home/aigul/a": ["node07", 3, None, {"x": "/tmp/q/"}]})
    assert value == {"<path>/a": ["<host>", 3, None, {"x": "<path>/q"}]}
    assert counts == {"path": 2, "host": 1}


def test_names_that_are_words_are_no_names() -> None:
    here = MachineWords.here(users=["root", "user", "x"], hosts=["localhost", "node12"])
    assert not here.users & {"root", "user", "x"} and "localhost" not in here.hosts and "node12" in here.hosts
