"""What a model is known again by."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qaz_llm.errors import OtherRunError
from qaz_llm.train.saving.checkpoint import check_same_run
from qaz_llm.train.start.identity import SAMPLE_BYTES, SAMPLES, known_weights


def model(folder: Path, *, moved: float = 0.0, rows: int = 4096) -> Path:
    """A folder with weights of 4 MiB and a config; `moved` is added to each of the weights."""
    folder.mkdir()
    table = torch.linspace(-1, 1, rows * 256).reshape(rows, 256) + moved
    save_file({"table": table}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def test_a_model_tuned_from_another_is_another_although_its_files_have_the_same_sizes(tmp_path: Path) -> None:
    base, same, tuned, larger = (
        model(tmp_path / "base"),
        model(tmp_path / "same"),
        model(tmp_path / "tuned", moved=1e-3),
        model(tmp_path / "larger", rows=4097),
    )
    assert known_weights(base) == known_weights(same)
    assert known_weights(tuned)["checkpoint"] == known_weights(base)["checkpoint"]
    assert known_weights(tuned)["weights_fingerprint"] != known_weights(base)["weights_fingerprint"]
    assert known_weights(larger)["checkpoint"] != known_weights(base)["checkpoint"]


def test_pieces_lie_from_the_first_byte_to_the_last(tmp_path: Path) -> None:
    base = known_weights(model(tmp_path / "base"))
    path = model(tmp_path / "changed") / "model.safetensors"
    whole = path.read_bytes()
    assert len(whole) > 2 * SAMPLES * SAMPLE_BYTES
    for place, is_seen in ((len(whole) - 1, True), (SAMPLE_BYTES, False), ((len(whole) - SAMPLE_BYTES) // 63, True)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert (known_weights(path.parent) != base) is is_seen, place


def test_a_run_begun_before_weights_were_looked_into_can_be_resumed(tmp_path: Path) -> None:
    now = {"model": known_weights(model(tmp_path / "base"))}
    then = {"model": {"checkpoint": now["model"]["checkpoint"]}}
    check_same_run(now, then, where=tmp_path)
    with pytest.raises(OtherRunError, match="weights_fingerprint") as caught:
        check_same_run(now, {"model": now["model"] | {"weights_fingerprint": "0"}}, where=tmp_path)
    assert caught.value.exit_code == 2
