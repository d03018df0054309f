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
    assert value == {"<path>/a": ["<host>", 3, None, {"x": "<path>"}]}
    assert counts == {"path": 2, "host": 1}
    assert WORDS.replace_in({"/home/a/x": 1, "/home/b/x": 2})[0] == {"<path>/x": 1, "<path>/x (2)": 2}
    assert WORDS.replace("in /scratch/run 7/my eval/x: /scratch/run 7/../../home/b/z /scratch/run 77/a/b")[0] == (
        "in <run>/my eval/x: <path>/z <path>/b"
    )


NAME = "Aidar Serikuly"
"""Of a person, with a space, as folders of homes are called where names are."""


@pytest.mark.parametrize(
    "text",
    [
        f"C:\\Users\\{NAME}\\data\\x.txt",
        f"D:/Users/{NAME}/x",
        f"/Users/{NAME}/My Data/тез is.txt",
        f"/home/{NAME}/my docs/x",
        "\\\\srv01\\share\\Serikuly",
        "//srv01/share/Serikuly",
        "smb://srv01/share/Serikuly",
        "file:///home/Serikuly",
        "../../home/Serikuly/z",
        "..\\..\\Users\\Serikuly\\z",
        "../../../scratch/Serikuly/z",
        "$HOME/Serikuly",
        "${HOME}/Serikuly/x",
        "$SCRATCH/Serikuly/x",
        "%USERPROFILE%\\Serikuly",
        "~Serikuly/x",
        "/home/Serikuly",
        "/scratch/Serikuly/",
        "/mnt/c/Users/Serikuly/x",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "path: {}", "  - {}", 'root: "{}"', "from '{}', then", "see {} # kk/ru", "a\nb: {}\nc"]
)
def test_whose_a_path_is_stays_unknown(text: str, around: str) -> None:
    clean, counts = WORDS.replace(around.format(text))
    assert not any(told in clean for told in ("Serikuly", "Aidar", "srv01")), clean
    assert counts["path"] == 1 and not WORDS.replace(clean)[1]
    value, _ = WORDS.replace_in({"a": [text]})
    assert "Serikuly" not in str(value) and "srv01" not in str(value)


HEX = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://user:qUpia1@host.kz/x", "qUpia1"),
        ("postgresql://user:qU@pia@host.kz/x", "qU@pia"),
        ("git clone https://ghp_Qupia@github.com/a/b", "Qupia"),
        ("hf_" + "abcDEF" * 6, "abcDEF"),
        ("sk-proj-" + "abcDEF" * 6, "abcDEF"),
        ("ghp_" + "abcDEF" * 6, "abcDEF"),
        ("s3://b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=aB3dE6gH9jK2mN5pQ8s%3D", "aB3dE6gH9"),
        ("Authorization: Bearer abc123def456", "abc123def456"),
        ("curl -H 'Authorization: Basic dXNlcjpwYXNz'", "dXNlcjpwYXNz"),
        (f"wandb_api_key: {HEX}", HEX),
        (f"export HF_TOKEN={HEX}", HEX),
        (f"key = '{HEX}'", HEX),
        ("password: Құпия сөз 7", "Құпия"),
        ("password: 'Құпия сөз'", "Құпия"),
        ("db_password=qupia", "qupia"),
        ("client_secret: |\n  qupia\n  bar\nnext: 1", "qupia"),
        ("qaz --token qupiaqupia", "qupiaqupia"),
        ("123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr", "AAbb"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nQUPIA\n-----END OPENSSH PRIVATE KEY-----", "QUPIA"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.QUPIAqupia", "QUPIA"),
    ],
)
def test_secrets_are_replaced_by_shape_or_by_name(text: str, secret: str) -> None:
    clean, counts = WORDS.replace(text)
    assert secret not in clean and counts["secret"] >= 1
    assert not WORDS.replace(clean)[1], clean


@pytest.mark.parametrize(
    "value",
    [
        {"password": "Құпия сөз"},
        {"api_key": HEX},
        {"env": {"WANDB_API_KEY": HEX}},
        {"command": ["qaz", "--token", "qupia"]},
        {"secrets": [{"client-secret": "qupia"}]},
    ],
)
def test_a_value_of_json_is_a_secret_by_its_name(value: dict[str, object]) -> None:
    clean, counts = WORDS.replace_in(value)
    assert counts == {"secret": 1} and "<secret>" in str(clean) and not WORDS.replace_in(clean)[1]


def test_addresses_of_people() -> None:
    assert WORDS.replace("bekzat@node07 aigul@node07")[0] == "<email> <user>@<host>"
    text = "aidar@example.kz, a.b+c@mail.example.org, root@vm01; pass@k, torch@2.13.0, @dataclass, name@"
    assert WORDS.replace(text)[0] == "<email>, <email>, <email>; pass@k, torch@2.13.0, @dataclass, name@"


@pytest.mark.parametrize(
    "text",
    [
        "eos_token: <|endoftext|>\npad_token_id: 0\ntokens: 123456789012345678\ntokenizer: HuggingFaceTB/SmolLM2-135M",
        f"fingerprint: {HEX}\nsha256: {HEX}{HEX}",
        "password: null\nsecret: false\npasswords: 12\nsecret:\nnext: 1",
        "key: documents_kk_a\ntoken: adds_prefix_space_to_words\nsort_key: licence",
        "keyboard: layout, monkey: banana",
        "token budget: 12 tokens; the key to this is below",
        "../corpus/kk.jsonl",
        "$x/y$ және ~5/6",
    ],
)
def test_what_only_looks_like_a_secret_is_left(text: str) -> None:
    assert WORDS.replace(text) == (text, {})


def test_names_that_are_words_are_no_names() -> None:
    here = MachineWords.here(users=["root", "user", "x"], hosts=["localhost", "node12"])
    assert not here.users & {"root", "user", "x"} and "localhost" not in here.hosts and "node12" in here.hosts
