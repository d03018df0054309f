#!/usr/bin/env python
"""Does llama.cpp read an exported folder as transformers does: token ids, probabilities, an answer, where it stops?

    .venv/bin/python scripts/check_gguf.py EXPORT_DIR [--base BASE_DIR] [--texts FILE] [--env /tmp/llama_cpp]

llama.cpp comes from the package index: its sources, which hold the converter, inside those of llama-cpp-python, and the compiled
library with its server in the wheels of xllamacpp. The folder is converted in float32 by scripts/convert_gguf.py, the server reads
it, and both are asked the same. `--base` is the model whose vocabulary was extended, if it was. `--texts` gives lines of text
whose ids are compared, beside a few of our own. Prints a line for each check; the exit code is 1 where one of them failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOURCES, LIBRARY = "llama-cpp-python==0.3.36", "xllamacpp==2026.10.11549"
TEXTS = (
    "Қазақстан — Орталық Азиядағы мемлекет. Астанасы — Астана қаласы.",
    "Әжем «Ұлым, үйге кел!» деді; һәм, өкінішке қарай, ештеңе айтпадым…",
    "Привет, как дела? Сегодня хорошая погода.",
    "Hello, how are you today?  Two  spaces, 1234567 and a\nnew line.\n\n\n\tTab.",
    "🚀 нещо на Български",
    " алдында бос орын, соңында да ",
)
MAX_TEXTS = 5_000
PROMPT_TOKENS, ANSWER_TOKENS = 24, 16
TURNS = [{"role": "user", "content": "Сәлем!"}]
MAX_LOGPROB_DIFF = 0.03
"""Between two programs' float32: 7e-3 was seen on SmolLM2 and Gemma 3, and an error of reading gives tenths."""

SERVER = """
import json, sys, xllamacpp
asked = xllamacpp.CommonParams()
asked.model.path, asked.n_ctx, asked.port, asked.n_parallel, asked.verbosity = sys.argv[1], 2048, 0, 1, -1
asked.warmup = False
asked.cache_type_k = asked.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
server = xllamacpp.Server(asked)
print(server.listening_address, flush=True)
sys.stdin.read()
"""

Check = tuple[bool, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="EXPORT_DIR")
    parser.add_argument("--base", type=Path, help="folder of the model whose vocabulary was extended")
    parser.add_argument("--texts", type=Path, help="a text file, one text a line")
    parser.add_argument(
        "--env", type=Path, default=Path(tempfile.gettempdir()) / "llama_cpp", help="where it is installed"
    )
    arguments = parser.parse_args()
    sources, python = make_environment(arguments.env.resolve())
    lines = arguments.texts.read_text(encoding="utf-8").splitlines()[:MAX_TEXTS] if arguments.texts else []
    folder = arguments.folder.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "model.gguf"
        command = [sys.executable, Path(__file__).with_name("convert_gguf.py"), sources, folder]
        command += ["--base", (arguments.base or folder).resolve(), "--outfile", file, "--outtype", "f32"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"FAILED  converted: {done.stderr.strip().splitlines()[-1]}")
            return 1
        with serving(python, file) as address:
            checks = list(compare(folder, address, [*TEXTS, *filter(None, lines)]))
    for passed, said in checks:
        print("ok      " if passed else "FAILED  ", said, sep="")
    return 0 if all(passed for passed, _ in checks) else 1


def make_environment(folder: Path) -> tuple[Path, Path]:
    """llama.cpp's sources and the Python of an environment with its library, made where they are not there yet."""
    python = folder / "env/bin/python"
    if not (folder / ".ready").is_file():
        print(f"installing {LIBRARY} and the sources of {SOURCES} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", LIBRARY], check=True, stderr=subprocess.DEVNULL)
        fetch = ["download", "--no-deps", "--no-binary", ":all:", "--dest", folder, SOURCES]
        subprocess.run([*pip, *fetch], check=True, stderr=subprocess.DEVNULL)
        with tarfile.open(next(folder.glob("llama_cpp_python-*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        (folder / ".ready").touch()
    return next(folder.glob("llama_cpp_python-*/vendor/llama.cpp")), python


@contextmanager
def serving(python: Path, file: Path) -> Iterator[str]:
    """The address of a server of llama.cpp with the model in `file`; it ends with the block."""
    command = [str(python), "-c", SERVER, str(file)]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as said,  # a file, since nobody reads while the server answers
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            if not address.startswith("http"):
                said.seek(0)
                raise SystemExit(f"llama.cpp does not load {file}: {said.read()[-500:]}")
            yield address
        finally:
            server.kill()


def ask(address: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def compare(folder: Path, address: str, texts: list[str]) -> Iterator[Check]:
    """The checks, one after the other."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    differing = [
        text
        for text, own in zip(texts, ids, strict=True)
        if own != ask(address, "/tokenize", {"content": text})["tokens"]
    ]
    example = f", the first {differing[0][:80]!r}" if differing else ""
    yield not differing, f"token ids: {len(texts) - len(differing):,} of {len(texts):,} texts equal{example}"
    start = [tokenizer.bos_token_id] if tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id else []
    for own in ids[:4]:
        yield compare_answers(model, address, start + own[:PROMPT_TOKENS], tokenizer.all_special_ids)
    if tokenizer.chat_template:
        yield compare_dialogue(model, tokenizer, address)


def compare_answers(model: Any, address: str, prompt: list[int], unsaid: list[int]) -> Check:
    """The most probable continuation, and how probable each of its tokens is, by both; `unsaid` (ends of text) are passed over."""
    theirs: list[int] = []
    said: dict[int, float] = {}
    for place in range(ANSWER_TOKENS):
        # One at a time: of tokens that end within a letter the server tells no probability, and in a longer answer not which.
        body = {"prompt": prompt + theirs, "n_predict": 1, "n_probs": 1, "return_tokens": True, "ignore_eos": True}
        told = ask(address, "/completion", body | {"temperature": 0.0})
        theirs += told["tokens"][:1]
        if rows := told.get("completion_probabilities"):
            said[place] = rows[0]["logprob"]
    ours = next_logprobs(model, prompt, theirs)
    farthest = max((abs(ours[place][theirs[place]] - one) for place, one in said.items()), default=0.0)
    banned = set(unsaid)
    best = [max(value for token, value in enumerate(row) if token not in banned) for row in ours]
    likeliest = all(b - row[token] < MAX_LOGPROB_DIFF for b, row, token in zip(best, ours, theirs, strict=True))
    return likeliest and farthest < MAX_LOGPROB_DIFF, (
        f"{len(theirs)} tokens after {len(prompt)}: {'the' if likeliest else 'NOT the'} likeliest, "
        f"log-probabilities of {len(said)} at most {farthest:.1e} apart"
    )


def next_logprobs(model: Any, prompt: list[int], answer: list[int]) -> list[list[float]]:
    """Log-probabilities of every token at each place of the answer, shape (answer, vocabulary)."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    rows: list[list[float]] = logits.log_softmax(-1).tolist()
    return rows


def compare_dialogue(model: Any, tokenizer: Any, address: str) -> Check:
    """The text that a dialogue becomes, and whether an answer ends of itself where transformers' does."""
    ours = tokenizer.apply_chat_template(TURNS, add_generation_prompt=True, tokenize=False)
    theirs = ask(address, "/apply-template", {"messages": TURNS})["prompt"]
    start = tokenizer.bos_token or ""
    same = ours.removeprefix(start) == theirs.removeprefix(start)
    if not same:
        return False, f"dialogue: {ours!r} and {theirs!r}"
    stops = model.generation_config.eos_token_id
    stops = stops if isinstance(stops, list) else [stops]
    prompt = tokenizer(ours, add_special_tokens=False)["input_ids"]
    found = []
    for stop in stops:
        # The token is made certain, so that what is asked is whether the server ends there.
        body = {"prompt": prompt, "n_predict": 4, "temperature": 0.0, "logit_bias": [[stop, 1000.0]]}
        if ask(address, "/completion", body)["stop_type"] == "eos":
            found.append(stop)
    return found == stops, f"dialogue: same text; stops at {found} of {stops}"


if __name__ == "__main__":
    sys.exit(main())
