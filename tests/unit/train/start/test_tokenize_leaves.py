"""What `qaz data tokenize` leaves where its input cannot be read."""

import gzip
import json
from pathlib import Path

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.errors import QazError
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.start.tokenize import tokenize

SHAPE = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 16}


@pytest.mark.parametrize("is_there", [False, True])
def test_a_damaged_file_leaves_no_empty_folder(tmp_path: Path, is_there: bool) -> None:
    rows = "".join(json.dumps({"text": f"бір екі үш {number}"}) + "\n" for number in range(200))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(rows.encode())[:-20])
    train_base_tokenizer([rows], vocab_size=262).save_pretrained(tmp_path / "tokenizer")
    config = config_from_values(
        TrainConfig,
        {
            "run_dir": str(tmp_path / "runs" / "a"),
            "method": "pretrain",
            "model": {"architecture": SHAPE, "tokenizer": str(tmp_path / "tokenizer")},
            "data": {"mix": [{"name": "a", "path": str(tmp_path / "cut.jsonl.gz")}], "workers": 1},
            "seq_len": 32,
        },
        where="test",
    )
    if is_there:  # what was there before, by hand or by an earlier run, stays
        config.run_dir.mkdir(parents=True)
    with pytest.raises(QazError, match="damaged or cut off"):
        tokenize(config)
    assert config.run_dir.exists() == is_there
    assert not (config.run_dir / "packed").exists()
