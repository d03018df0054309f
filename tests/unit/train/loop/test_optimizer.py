"""Groups, rates and rules of the optimizer, against PEFT's own, torch's own and arithmetic by hand."""

from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from train_configs import make
from two_layer_llama import tiny_llama

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.loop.optimizer import make_optimizer
from qaz_llm.train.loop.pull import PullCallback
from qaz_llm.train.plan.packages import check_packages
from qaz_llm.train.start.identity import without_unused

LR, DECAY = 1e-2, 0.1
ADAMW = {"lr": LR, "betas": (0.9, 0.95), "eps": 1e-8}


def settings(**values) -> TrainConfig:
    base = {"method": "cpt", "model": {"checkpoint": "x"}, "lr": LR, "weight_decay": DECAY}
    return make(**{**base, "adapter": {"type": "lora"}} | values)


def adapted(**options) -> torch.nn.Module:
    torch.manual_seed(0)
    model = get_peft_model(tiny_llama(), LoraConfig(r=2, target_modules=["q_proj", "down_proj"], **options))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)
    return model


def named_trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_lora_plus_steps_as_pefts_own() -> None:
    ours, theirs = adapted(), adapted()
    config = settings(adapter={"type": "lora", "lora_plus_ratio": 16.0})
    make_optimizer(ours, named_trained(ours).keys(), config, torch.optim.AdamW, ADAMW).step()
    options = {"loraplus_lr_ratio": 16.0, "loraplus_weight_decay": DECAY, **ADAMW}
    create_loraplus_optimizer(theirs, torch.optim.AdamW, **options).step()
    for (name, one), other in zip(named_trained(ours).items(), named_trained(theirs).values(), strict=True):
        assert torch.equal(one, other), name


def test_the_first_group_has_the_rate_that_is_logged_and_lengths_do_not_decay() -> None:
    model = adapted(use_dora=True)
    config = settings(adapter={"type": "lora", "lora_plus_ratio": 4.0, "weight_decomposed": True})
    optimizer = make_optimizer(model, named_trained(model).keys(), config, torch.optim.AdamW, ADAMW)
    by_id = {id(p): name for name, p in model.named_parameters()}
    found = {
        (group["lr"], group["weight_decay"]): {by_id[id(p)].split(".lora_")[1].split(".")[0] for p in group["params"]}
        for group in optimizer.param_groups
    }
    assert found == {(LR, DECAY): {"A"}, (LR, 0.0): {"magnitude_vector"}, (4 * LR, DECAY): {"B"}}
    assert optimizer.param_groups[0]["lr"] == LR


def test_muon_beside_adamw_is_both_of_them_also_after_a_checkpoint() -> None:
    ours, theirs = adapted(use_dora=True), adapted(use_dora=True)
    config = settings(adapter={"type": "lora", "weight_decomposed": True}, optimizer={"type": "muon"})

    def new() -> torch.optim.Optimizer:
        return make_optimizer(ours, named_trained(ours).keys(), config, torch.optim.AdamW, ADAMW)

    both = new()
    matrices = [p for p in named_trained(theirs).values() if p.dim() == 2]
    lengths = [p for p in named_trained(theirs).values() if p.dim() == 1]
    muon = torch.optim.Muon(matrices, lr=LR, weight_decay=DECAY, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(lengths, weight_decay=0.0, **ADAMW)
    for lr in (LR, LR / 2, LR / 4):
        for group in (*both.param_groups, *muon.param_groups, *adamw.param_groups):
            group["lr"] = lr
        for optimizer in (both, muon, adamw):
            optimizer.step()
        saved = both.state_dict()
        both = new()
        both.load_state_dict(saved)
    for (name, one), other in zip(named_trained(ours).items(), named_trained(theirs).values(), strict=True):
        assert torch.equal(one, other), name
    assert len(both.state) == len(matrices) + len(lengths)  # what a check of the moments sees


def test_the_pull_by_hand() -> None:
    """From 1 a step went to 3; lr 0.1 and λ 2 take a fifth of the way back: 2.6. A group with lr 0 is not moved."""
    module = torch.nn.Linear(1, 1)
    module.weight.data.fill_(1.0)
    module.bias.data.fill_(1.0)
    callback = PullCallback(module, 2.0)
    callback.on_train_begin(None, None, None)
    module.weight.data.fill_(3.0)
    module.bias.data.fill_(3.0)
    groups = [{"lr": 0.1, "params": [module.weight]}, {"lr": 0.0, "params": [module.bias]}]
    callback.on_optimizer_step(None, None, None, optimizer=SimpleNamespace(param_groups=groups))
    assert module.weight.item() == pytest.approx(2.6)
    assert module.bias.item() == 3.0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"adapter": {}, "optimizer": {"type": "muon"}}, "harms full tuning of a model that was pretrained with Adam"),
        ({"optimizer": {"type": "muon", "states": "torchao_8bit"}}, "use optimizer.states=fp32 with muon"),
        ({"optimizer": {"muon_momentum": 0.5}}, "belongs to optimizer.type muon"),
        ({"optimizer": {"type": "muon"}, "distributed": {"deepspeed": "z.json"}}, "leave out optimizer, or"),
        ({"adapter": {"weight_decomposed": True}}, "adapter.weight_decomposed belongs to LoRA"),
        ({"adapter": {"lora_plus_ratio": 4.0}}, "adapter.lora_plus_ratio belongs to LoRA"),
        ({"adapter": {"quantised": "nf4"}}, "type adapter.type=lora"),
        ({"freeze": ["embeddings"]}, "LoRA freezes the whole model already"),
        ({"adapter": {}, "freeze": ["embeddings"], "warm_rows_steps": 2}, "warm_rows_steps trains rows of tables"),
        ({"adapter": {}, "freeze": ["layers 3-"]}, "should match pattern"),
        ({"pull_to_base": 0.1, "weight_decay": 0.0}, "use weight_decay"),
        ({"adapter": {}, "pull_to_base": 0.1}, "with pull_to_base type weight_decay=0"),
    ],
)
def test_what_excludes_each_other_is_said_with_what_to_type(values: dict, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**values)
    assert said in str(caught.value)


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(adapter={}, optimizer={"states": "torchao_8bit"})
    monkeypatch.setattr("qaz_llm.train.plan.packages.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package torchao, which is not installed") as caught:
        check_packages(config)
    assert "pip install torchao" in caught.value.hint


def test_keys_that_are_not_used_are_no_part_of_what_identifies_a_run() -> None:
    """Runs that began before there were such keys go on; where one is set the run is another."""
    later = {"freeze", "pull_to_base", "optimizer"}
    left = without_unused(settings(adapter={}).to_dict())
    assert not later & left.keys()
    assert not {"weight_decomposed", "lora_plus_ratio", "quantised"} & left["adapter"].keys()
    used = {"freeze": ["norms"], "pull_to_base": 0.5, "optimizer": {"states": "torchao_8bit"}, "weight_decay": 0.0}
    assert later <= without_unused(settings(adapter={}, **used).to_dict()).keys()
    assert config_from_values(TrainConfig, settings(adapter={}, **used).to_dict(), where="again").freeze == ("norms",)
