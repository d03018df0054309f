"""The whole data build on one core: megabytes of Kazakh text per second of CPU, and where the time goes.

    python scripts/bench/chain.py --megabytes 32 --mean-kb 2.3 5.9
    python scripts/bench/chain.py --against REV       this tree and a commit before, in turn, on the same file

Documents are made from the real Kazakh text of a corpus folder: its sentences are drawn at random into paragraphs, so that
there is enough text without repeating any, and every document gets what web text has in the measured shares below: spaces,
entities, Latin look-alikes, menus and footers, telephone numbers, Russian paragraphs, copies and near copies. Their
average length is that of the documents of DCAD-2000 (2.3 kB) and of FineWeb-2 (5.9 kB), since work per document counts beside
work per letter. They are written as one .jsonl.zst file and built by `qaz data build` with its defaults (all steps on, duplicates across the whole file).
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import os
import pstats
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHARES = {"spaces": 0.30, "lookalikes": 0.05, "entities": 0.05, "furniture": 0.20, "phone": 0.05, "russian": 0.05}
"""Share of the documents that get each kind of dirt."""
PARAGRAPH_KB = 0.7
COPIES_FRAC, NEAR_COPIES_FRAC = 0.03, 0.05

STEPS = (
    ("read", "read_task"),
    ("repair", "repair_texts"),
    ("scripts", "detect_scripts"),
    ("language", "identify_texts"),
    ("boilerplate", "strip_boilerplates"),
    ("filters", "judge@filters"),
    ("evaluation items", "hit_items"),
    ("quality score", "quality_scores"),
    ("personal data", "redact_texts"),
    ("scan words and lines", "scan_texts"),
    ("duplicate features", "add@features"),
    ("write parts", "add@spool"),
    ("find duplicates", "find_duplicates"),
    ("find repeated lines", "plan_lines"),
    ("merge and write", "add@merge"),
    ("report and card", "write_report"),
)
"""What is reported, and the function whose cumulative time it is (`name@module` where the name is not enough)."""


def sentences_of(corpus: Path) -> tuple[list[str], list[str]]:
    """Kazakh and Russian sentences of the corpus, without those of its benchmarks."""
    from qaz_llm.io import read_rows
    from qaz_llm.language.segment import sentences

    kazakh: list[str] = []
    for name in ("apertium_kaz_rus/gov_corpus_kk.jsonl.gz", "kaznerd/kaznerd_valid.jsonl.gz",
                 "apertium_kaz/segmentation_corpus.jsonl.gz", "common_voice/cv_sentences_kk.jsonl.gz",
                 "rust_book_kk/rust_book_kk.jsonl", "apertium_kaz/texts_raw_wikipedia.jsonl"):  # fmt: skip
        kazakh += [s for row in read_rows(corpus / name) for s in sentences(row["text"])]
    for row in read_rows(corpus / "kazqad/kazqad_rc_validation.jsonl.gz"):
        kazakh += sentences(row["context"])
    russian = [row["text"] for row in read_rows(corpus / "ud_ru_taiga/ud_ru_taiga.jsonl")]
    return [s for s in dict.fromkeys(kazakh) if len(s) > 20], [s for s in russian if len(s) > 20]


def make_documents(
    kazakh: list[str], russian: list[str], *, megabytes: float, seed: int, mean_kb: float = 2.3, clean: bool = False
) -> Iterator[str]:
    rng = random.Random(seed)
    size, made = 0, []
    while size < megabytes * 1e6:
        draw = rng.random()
        if made and draw < COPIES_FRAC:
            text = rng.choice(made)
        elif made and draw < COPIES_FRAC + NEAR_COPIES_FRAC:
            words = rng.choice(made).split(" ")
            words[rng.randrange(len(words))] = "басқа"
            text = " ".join(words)
        else:
            text = "\n".join(paragraphs(kazakh, rng, mean_kb))
            text = text if clean else dirty(text, russian, rng)
            if len(made) < 5_000:
                made.append(text)
        size += len(text.encode())
        yield text


def paragraphs(kazakh: list[str], rng: random.Random, mean_kb: float) -> Iterator[str]:
    """Four sentences each on average, some 0.7 kB; their number falls off exponentially, as lengths of web pages do."""
    for _ in range(min(100, 1 + int(rng.expovariate(PARAGRAPH_KB / mean_kb)))):
        yield " ".join(rng.choices(kazakh, k=rng.randint(2, 6)))


def dirty(text: str, russian: list[str], rng: random.Random) -> str:
    if rng.random() < SHARES["spaces"]:
        text = text.replace(". ", ".  ").replace(", ", ",\u00a0", 2)
    if rng.random() < SHARES["lookalikes"]:
        text = text.replace("і", "i", 20)
    if rng.random() < SHARES["entities"]:
        text = text.replace(" – ", " &ndash; ").replace("«", "&laquo;") + "<br/>"
    if rng.random() < SHARES["russian"]:
        text += "\n" + " ".join(rng.choices(russian, k=3))
    if rng.random() < SHARES["phone"]:
        text += f"\nБайланыс телефоны: +7 7{rng.randrange(10**9):09d}"
    if rng.random() < SHARES["furniture"]:
        text = "Басты бет | Жаңалықтар | Байланыс\n" + text + "\nБөлісу\n© 2024 Барлық құқықтар қорғалған"
    return text


def build_once(source: Path, out: Path) -> dict[str, Any]:
    from qaz_llm.config import config_from_values
    from qaz_llm.data.build import build
    from qaz_llm.data.config import DataConfig

    values = {
        "sources": [{"name": "bench", "path": str(source), "language": "kk", "licence": "CC0-1.0"}],
        "out": str(out),
    }
    shutil.rmtree(out, ignore_errors=True)
    return build(config_from_values(DataConfig, values, where="bench")).to_dict()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"), help="folder with real text")
    parser.add_argument("--megabytes", type=float, default=32.0)
    parser.add_argument("--mean-kb", type=float, nargs="+", default=[2.3, 5.9], help="average length of the documents")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clean", action="store_true", help="the sentences as they are, without added dirt")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-profile", action="store_true")
    parser.add_argument(
        "--against", metavar="REV", help="a commit whose code builds the same file in turn with this tree"
    )
    parser.add_argument("--build", type=Path, nargs=2, metavar=("FILE", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        print_build(*arguments.build)
        return
    if arguments.corpus is None:
        parser.error("name the folder of real text: --corpus DIR, or QAZ_CORPUS_DIR")
    kazakh, russian = sentences_of(Path(arguments.corpus))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write(work / "warm.jsonl.zst", make_documents(kazakh, russian, megabytes=0.3, seed=1))
        build_once(work / "warm.jsonl.zst", work / "out")  # compiles the kernels where they are not cached
        for mean_kb in arguments.mean_kb:
            texts = make_documents(
                kazakh,
                russian,
                megabytes=arguments.megabytes,
                seed=arguments.seed,
                mean_kb=mean_kb,
                clean=arguments.clean,
            )
            write(work / "bench.jsonl.zst", texts)
            if arguments.against:
                compare(work, arguments.against, repeats=arguments.repeats)
            else:
                measure(work, repeats=arguments.repeats)
        if not (arguments.no_profile or arguments.against):
            profile = cProfile.Profile(time.process_time)
            profile.runcall(build_once, work / "bench.jsonl.zst", work / "out")
            print_shares(profile)


def write(path: Path, texts: Iterator[str]) -> None:
    from qaz_llm.io import write_jsonl

    write_jsonl(path, ({"id": str(number), "text": text} for number, text in enumerate(texts)))


def measure(work: Path, *, repeats: int) -> None:
    """Build the same file some times over and print each run: a shared machine is not always equally fast, which the
    speed of scanning alone, measured right before, shows."""
    for run in range(repeats):
        scanning = scan_speed(work / "bench.jsonl.zst")
        wall, cpu = time.perf_counter(), time.process_time()
        manifest = build_once(work / "bench.jsonl.zst", work / "out")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        megabytes = manifest["bytes_in"] / 1e6
        if run == 0:
            mean_kb = manifest["bytes_in"] / manifest["documents_in"] / 1e3
            print(f"{manifest['documents_in']:,} documents of {mean_kb:.1f} kB on average, {megabytes:.1f} MB of text")
            print(
                f"  {manifest['documents_out']:,} kept; dropped: {json.dumps(manifest['dropped'], ensure_ascii=False)}"
            )
        print(
            f"  whole chain: {megabytes / cpu:.2f} MB/s of CPU ({cpu:.1f} s), {megabytes / wall:.2f} MB/s of wall time; "
            f"scanning words alone just before: {scanning:.0f} MB/s"
        )
    print(f"  peak memory {peak_memory_mb():.0f} MB")


def compare(work: Path, revision: str, *, repeats: int) -> None:
    """Build the file with the code of a commit and with this tree's in turn, each build a process of its own; the ratio of
    each pair holds where the speed of the machine drifts."""
    here = Path(__file__).resolve().parents[2]
    with worktree(here, revision, work / "before") as before:
        pairs = []
        for run in range(repeats + 1):
            found = {}
            for name, tree in (("before", before), ("now", here)):
                command = [
                    sys.executable,
                    __file__,
                    "--build",
                    str(work / "bench.jsonl.zst"),
                    str(work / f"out-{name}"),
                ]
                environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                found[name] = json.loads(done.stdout.splitlines()[-1])
            if run == 0:  # it compiles the kernels
                print(
                    f"{found['now']['in']:,} documents, {found['now']['megabytes']:.1f} MB of text; {revision} and this tree in turn"
                )
                continue
            rates = {name: values["megabytes"] / values["cpu_s"] for name, values in found.items()}
            pairs.append(rates["now"] / rates["before"])
            print(
                f"  before {rates['before']:.2f}, now {rates['now']:.2f} MB/s of CPU ({pairs[-1]:.3f} times); "
                f"peak memory {found['before']['peak_mb']:.0f}, {found['now']['peak_mb']:.0f} MB; "
                f"kept {found['before']['out']:,}, {found['now']['out']:,}"
            )
        print(f"  median ratio {statistics.median(pairs):.3f}")


@contextlib.contextmanager
def worktree(here: Path, revision: str, folder: Path) -> Iterator[Path]:
    """The files of a commit in a folder while the block runs."""
    if not folder.exists():
        subprocess.run(
            ["git", "-C", str(here), "worktree", "add", "--detach", str(folder), revision],
            check=True,
            capture_output=True,
        )
    try:
        yield folder
    finally:
        subprocess.run(
            ["git", "-C", str(here), "worktree", "remove", "--force", str(folder)], check=True, capture_output=True
        )


def print_build(source: Path, out: Path) -> None:
    """One build, as a line of JSON: what it took, and what it kept."""
    started = time.process_time()
    manifest = build_once(source, out)
    cpu_s = time.process_time() - started
    peak_mb = peak_memory_mb()
    values = {"in": manifest["documents_in"], "out": manifest["documents_out"], "megabytes": manifest["bytes_in"] / 1e6}
    print(json.dumps({**values, "cpu_s": cpu_s, "peak_mb": peak_mb}))


def peak_memory_mb() -> float:
    """The most memory this process has held. Linux keeps it per program; the figure of `getrusage` begins with what the
    process that started this one held."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text("ascii", "replace"), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def scan_speed(path: Path) -> float:
    from qaz_llm.io import read_jsonl
    from qaz_llm.language.buffer import scan_texts

    texts = [row["text"] for _, row in zip(range(2_000), read_jsonl(path), strict=False)]
    started = time.process_time()
    for start in range(0, len(texts), 500):
        scan_texts(texts[start : start + 500])
    return sum(len(text.encode()) for text in texts) / 1e6 / (time.process_time() - started)


def print_shares(profile: cProfile.Profile) -> None:
    """Cumulative seconds of each step in a second run, under the profiler, which slows Python code down."""
    stats = pstats.Stats(profile)
    found: dict[str, float] = {}
    for (file, _, function), (_, _, _, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        for key in (function, f"{function}@{Path(file).stem}"):
            found[key] = found.get(key, 0.0) + cumulative
    total = stats.total_tt  # type: ignore[attr-defined]
    print(f"under the profiler {total:.1f} s; a step's time holds that of the steps it calls:")
    for name, function in STEPS:
        print(f"  {name:24}{found.get(function, 0.0):7.2f} s {100 * found.get(function, 0.0) / total:5.1f} %")
    if os.environ.get("BENCH_TOP"):
        stats.sort_stats("tottime").print_stats(int(os.environ["BENCH_TOP"]))


if __name__ == "__main__":
    main()
