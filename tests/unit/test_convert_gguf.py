"""The converter's look-up by hash is answered with the base's name. A stand-in with the converter's interface is asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/convert_gguf.py"

CONVERTER = """
import sys
class TextModel:
    def get_vocab_base_pre(self, tokenizer):
        ids = tokenizer.encode("нещо на Български")
        if len(tokenizer) == 500:
            return "base-name"
        raise NotImplementedError("BPE pre-tokenizer was not recognized")
def main():
    from transformers import AutoTokenizer
    print(TextModel().get_vocab_base_pre(AutoTokenizer.from_pretrained(sys.argv[1])), sys.argv[2:])
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from qaz_llm.io import embedded_path, read_jsonl
    from qaz_llm.tokenizer.base import train_base_tokenizer
    from qaz_llm.tokenizer.extend import extend_tokenizer

    root = tmp_path_factory.mktemp("gguf")
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    base = train_base_tokenizer(texts, vocab_size=500)
    base.save_pretrained(root / "base")
    extend_tokenizer(base, texts, num_new_tokens=20).tokenizer.save_pretrained(root / "grown")
    return root / "base", root / "grown"


def convert(llama_cpp: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(llama_cpp), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("layout", ["one file", "package"])
def test_the_name_of_the_base_is_the_answer(folders, tmp_path: Path, layout: str) -> None:
    base, grown = folders
    if layout == "package":
        (tmp_path / "conversion").mkdir()
        (tmp_path / "conversion/__init__.py").touch()
        (tmp_path / "conversion/base.py").write_text(CONVERTER)
        (tmp_path / "convert_hf_to_gguf.py").write_text("from conversion.base import TextModel, main\n")
    else:
        (tmp_path / "convert_hf_to_gguf.py").write_text(CONVERTER)
    done = convert(tmp_path, str(grown), "--base", str(base), "--outtype", "bf16")
    assert done.stdout.split("\n")[0] == "base-name ['--outtype', 'bf16']", done.stderr


def test_another_base_is_refused(folders, tmp_path: Path) -> None:
    base, grown = folders
    (tmp_path / "convert_hf_to_gguf.py").write_text(CONVERTER)
    (tmp_path / "other").mkdir()
    spec = json.loads((base / "tokenizer.json").read_text())
    (tmp_path / "other/tokenizer.json").write_text(json.dumps(spec | {"pre_tokenizer": None}))
    done = convert(tmp_path, str(grown), "--base", str(tmp_path / "other"))
    assert done.returncode == 1 and "differ in pre_tokenizer" in done.stderr
    assert "no checkout of llama.cpp" in convert(tmp_path / "none", str(grown), "--base", str(base)).stderr
