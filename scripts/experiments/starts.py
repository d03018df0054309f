"""What training starts from: a base model, or one grown by tokens whose rows are fitted; made once, and its cost kept beside it.

python scripts/experiments/starts.py MODEL CORPUS OUT --new-tokens N [--swap]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from grown_model import grown_model


def grow(model: Path, corpus: Path, out: Path, *, new_tokens: int, swap: bool) -> None:
    """Learn tokens from the Kazakh of the corpus in view of its Russian and English, and fit their rows, as `qaz run` does."""
    from qaz_llm.model.export import write_model

    tokenizer = out.with_name(out.name + "-tokenizer")
    if not (tokenizer / "extension.json").is_file():
        keep = [word for language in ("ru", "en") for word in ("--keep", f"{language}={corpus}")]
        options = ["--num-new-tokens", str(new_tokens), *keep, *(["--swap"] if swap else [])]
        command = ["tokenizer", "extend", "--base", str(model), "--corpus", str(corpus), "--out", str(tokenizer)]
        subprocess.run([sys.executable, "-m", "qaz_llm", *command, *options], check=True)
    grown, words = grown_model(model, tokenizer, corpus)
    write_model(grown, words, out, facts={})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--new-tokens", type=int, required=True)
    parser.add_argument("--swap", action="store_true")
    options = parser.parse_args()
    grow(options.model, options.corpus, options.out, new_tokens=options.new_tokens, swap=options.swap)


if __name__ == "__main__":
    main()
