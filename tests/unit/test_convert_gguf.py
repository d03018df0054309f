"""What llama.cpp's converter is told of a grown vocabulary: a name for its hash, or the tokens and merges themselves.

A stand-in with the converter's interface is asked; scripts/check_gguf.py asks the real one and a server of llama.cpp."""

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


WRITTEN = {
    "src/llama-vocab.cpp": 'tokenizer_model == "gemma4"',
    "gguf.py": """
import enum, json, pathlib
TokenType = enum.Enum("TokenType", "NORMAL UNKNOWN CONTROL USER_DEFINED UNUSED BYTE")
class SpecialVocab:
    def __init__(self, folder, load_merges):
        self.merges = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())["model"]["merges"] if load_merges else []
    def add_to_gguf(self, writer):
        writer.told["merges"] = self.merges
""",
    "conversion/__init__.py": """
class Gemma:
    def set_vocab(self):
        raise NotImplementedError("BPE pre-tokenizer was not recognized")
def get_model_class(name):
    assert name == "Gemma3ForCausalLM"
    return Gemma
""",
    "conversion/base.py": "class TextModel: pass",
    "convert_hf_to_gguf.py": """
import json, pathlib, sys
from conversion import get_model_class
class Writer:
    def __init__(self):
        self.told = {}
    def __getattr__(self, name):
        return lambda value: self.told.__setitem__(name, [getattr(v, "name", v) for v in value] if isinstance(value, list) else value)
def main():
    made = get_model_class("Gemma3ForCausalLM")()
    made.dir_model = pathlib.Path(sys.argv[1])
    made.hparams, made.gguf_writer = json.loads((made.dir_model / "config.json").read_text()), Writer()
    made.set_vocab()
    print(json.dumps(made.gguf_writer.told))
""",
}


@pytest.fixture
def like_gemma(tmp_path: Path) -> Path:
    """A tokenizer of four letters with spaces as ▁ and bytes, in a folder whose model has two rows more than it has tokens."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = ["<unk>", "<0x0A>", "▁", "қ", "а", "л", "қа", "▁қа"]
    merges = [("қ", "а"), ("▁", "қа")]
    words = Tokenizer(models.BPE({t: n for n, t in enumerate(tokens)}, merges, unk_token="<unk>", byte_fallback=True))
    words.normalizer, words.pre_tokenizer = (
        normalizers.Replace(" ", "▁"),
        pre_tokenizers.Split(" ", "merged_with_previous"),
    )
    words.add_special_tokens([AddedToken("<eos>", special=True)])
    words.add_tokens([AddedToken("<табл>", special=False)])
    folder = tmp_path / "gemma"
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<eos>").save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"architectures": ["Gemma3ForCausalLM"], "vocab_size": 12}))
    for name, text in WRITTEN.items():
        (tmp_path / "llama" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "llama" / name).write_text(text)
    return folder


def test_tokens_and_merges_of_gemmas_shape_are_written(like_gemma: Path) -> None:
    done = convert(like_gemma.parent / "llama", str(like_gemma), "--base", str(like_gemma))
    told = json.loads(done.stdout)
    assert told["add_tokenizer_model"] == "gemma4" and told["add_add_space_prefix"] is False
    assert told["add_token_list"] == [
        "<unk>", "<0x0A>", "▁", "қ", "а", "л", "қа", "▁қа", "<eos>", "<табл>", "[PAD10]", "[PAD11]",
    ]  # fmt: skip
    kinds = ["CONTROL", "BYTE", *["NORMAL"] * 6, "CONTROL", "USER_DEFINED", "UNUSED", "UNUSED"]
    assert told["add_token_types"] == kinds and len(told["add_token_scores"]) == 12
    assert told["merges"] == [["қ", "а"], ["▁", "қа"]]


@pytest.mark.parametrize("wrong", ["older", "tokenizer.model", "prefix"])
def test_gemmas_shape_that_cannot_be_written_is_refused(like_gemma: Path, wrong: str) -> None:
    llama = like_gemma.parent / "llama"
    if wrong == "older":
        (llama / "src/llama-vocab.cpp").write_text('tokenizer_model == "llama"')
    elif wrong == "tokenizer.model":
        (like_gemma / "tokenizer.model").touch()
    else:
        spec = json.loads((like_gemma / "tokenizer.json").read_text())
        spec["normalizer"] = {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": "▁"}, spec["normalizer"]],
        }
        (like_gemma / "tokenizer.json").write_text(json.dumps(spec))
    done = convert(llama, str(like_gemma), "--base", str(like_gemma))
    said = {
        "older": "knows no vocabulary 'gemma4'",
        "tokenizer.model": "take it away",
        "prefix": "neither byte-level nor",
    }
    assert done.returncode == 1 and said[wrong] in done.stderr, done.stderr
