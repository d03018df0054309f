"""A training that no longer has numbers ends there, and what was good before stays."""

from pathlib import Path

import pytest
import torch
from small_runs import losses, run_here, weights

from qaz_llm.errors import WorkError
from qaz_llm.train.saving.checkpoint import newest_complete


def poison_at(step: int, where: str):
    """One value of the weights, or of all later losses, stops being a number at the end of a step."""

    def on_eval(model, _tokenizer, now: int) -> dict[str, float]:
        if now == step and where == "weight":
            next(model.parameters()).data.view(-1)[7] = torch.nan
        if now == step and where == "loss":
            model.model.norm.register_forward_hook(lambda _m, _i, states: states * torch.inf)
        return {}

    return on_eval


COMMON = {
    "max_steps": 6,
    "checkpoint_every_steps": 1,
    "eval_every_steps": 1,
    "log_every_steps": 5,
    "keep_checkpoints": 2,
}


@pytest.mark.parametrize(("where", "good"), [("weight", 2), ("loss", 2)])
def test_nothing_is_written_from_then_on_and_the_good_is_resumed(settings, where: str, good: int) -> None:
    """The log is written every five steps: between two of its rows all six steps would have been saved. Before a save the model
    is asked once more, so a model that breaks after its third step is seen at the third."""
    values = settings("broken", **COMMON)
    with pytest.raises(WorkError, match=f"diverged at step .*step-{good}") as caught:
        run_here(values, on_eval=poison_at(3, where))
    assert caught.value.exit_code == 1
    checkpoints = Path(values["run_dir"]) / "checkpoints"
    assert sorted(p.name for p in checkpoints.glob("step-*")) == [f"step-{good - 1}", f"step-{good}"]
    assert newest_complete(checkpoints).step == good
    assert not (Path(values["run_dir"]) / "model").exists()
    assert run_here(values, on_eval=poison_at(99, where)).status == "resumed"
    whole = settings("whole", **COMMON)
    run_here(whole, on_eval=poison_at(99, where))
    expected = weights(Path(whole["run_dir"]) / "model")
    for name, tensor in weights(Path(values["run_dir"]) / "model").items():
        assert torch.equal(tensor, expected[name]), name


def test_a_last_step_that_breaks_the_weights_leaves_no_model(settings) -> None:
    """Without checkpoints only the end looks at the weights."""
    values = settings("end", max_steps=2, eval_every_steps=1)
    with pytest.raises(WorkError, match="no checkpoint before it"):
        run_here(values, on_eval=poison_at(2, "weight"))
    assert len(losses(values)) == 1  # the loss of the last step was a number; the model it left was asked once more
    assert not (Path(values["run_dir"]) / "model").exists()


def test_a_step_too_far(settings) -> None:
    """By the learning rate alone, with no clipping that would show it earlier."""
    values = settings("far", lr=1e25, max_grad_norm=0, max_steps=6, log_every_steps=10, checkpoint_every_steps=3)
    with pytest.raises(WorkError, match="diverged"):
        run_here(values)
    for path in (Path(values["run_dir"]) / "checkpoints").glob("step-*/*.safetensors"):
        from safetensors.torch import load_file

        assert all(torch.isfinite(tensor).all() for tensor in load_file(path).values())
