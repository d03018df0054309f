"""The plan itself: a config met with a machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.machines import Machine
from qaz_llm.data.mixing.corpus_mix import describe_mix
from qaz_llm.progress import format_share
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan.counts import CountedModel
from qaz_llm.train.plan.disk import Disk
from qaz_llm.train.plan.duration import Speed
from qaz_llm.train.plan.fit import Suggestion, suggest
from qaz_llm.train.plan.flops import TokenFlops
from qaz_llm.train.plan.memory import FITS_FRAC, Layout, Memory
from qaz_llm.train.plan.sharing import Sharing


@dataclass(frozen=True)
class TrainPlan:
    """A config met with a machine. `steps` is an estimate until the text is tokenised, unless max_steps is given.

    `machine` is set where the machine is described, not at hand; `notes` say what was not at hand, or is not counted.
    """

    config: TrainConfig
    environment: Environment
    device: str
    counted: CountedModel
    steps: int
    steps_are_exact: bool
    tokens_per_step: int
    memory: Memory
    available_bytes: int
    token_flops: TokenFlops
    speed: Speed
    disk: Disk
    sharing: Sharing
    zero_stage: int
    deepspeed_path: Path | None
    machine: Machine | None = None
    has_text: bool = True
    auto: frozenset[str] = frozenset()
    """Of precision, attention, gradient_checkpointing and lr those that were left to the plan."""
    stores_bf16: bool = False
    """The result of full training is written in bf16: where that was asked for, or the base is in 16 bit."""
    settled: tuple[str, ...] = ()
    """What `auto` came to, and why."""
    notes: tuple[str, ...] = ()
    is_trial: bool = False
    """Neither checkpoints nor a model are written: a test of the learning rate."""
    reference_tokens: int = 0
    """Method dpo: tokens that the reference pass goes through, once and forward only."""

    @property
    def parameters(self) -> int:
        return self.counted.parameters

    @property
    def trainable_parameters(self) -> int:
        return self.counted.trainable

    @property
    def attn_implementation(self) -> str:
        return self.counted.attention

    @property
    def target_modules(self) -> tuple[str, ...]:
        return self.counted.targets

    @property
    def rows_per_step(self) -> int:
        return self.tokens_per_step // self.config.seq_len

    @property
    def tokens(self) -> int:
        return self.steps * self.tokens_per_step

    @property
    def flops_per_token(self) -> int:
        """Model FLOPs, the numerator of MFU."""
        return self.token_flops.model

    @property
    def flops(self) -> float:
        """Model FLOPs of the run."""
        return float(self.tokens) * self.flops_per_token + 2.0 * self.parameters * self.reference_tokens

    @property
    def flops_per_s(self) -> float:
        """Of one device."""
        return self.speed.flops_per_s

    @property
    def seconds(self) -> float:
        """Estimated seconds of training, recomputation counted; saving and evaluation are not."""
        return float(self.tokens) * self.token_flops.hardware / (self.flops_per_s * self.environment.world_size)

    @property
    def cost(self) -> float | None:
        """In the machine's currency; None where no price is known."""
        price = self.machine.price_per_hour if self.machine else None
        return None if price is None else price * self.seconds / 3600

    @property
    def memory_bytes(self) -> int:
        """The most that one process holds."""
        return self.memory.peak.total_bytes

    @property
    def fits(self) -> bool:
        return self.available_bytes == 0 or self.memory_bytes <= FITS_FRAC * self.available_bytes

    @property
    def disk_bytes(self) -> int:
        """The most that run_dir will hold."""
        return self.disk.most_bytes

    @property
    def layout(self) -> Layout:
        return layout_of(self.config, self.counted, self.sharing, self.environment, self.device)

    @cached_property
    def suggestion(self) -> Suggestion | None:
        """What else fits, cheaper than what is configured or at all; None where nothing does better."""
        return suggest(self.config, self.counted, self.layout, self.available_bytes) if self.available_bytes else None

    def mix_lines(self) -> list[str]:
        """The mix as far as it can be told before the text is tokenised; of a recipe this counts the corpus.
        Nothing where the text is not at hand."""
        data = self.config.data
        if not self.has_text:
            return []
        if data.recipe is not None:
            return describe_mix(data.recipe, chat=self.config.is_chat).lines()
        whole = sum(entry.weight for entry in data.mix or ())
        shares = ", ".join(f"{entry.name} {format_share(entry.weight / whole, digits=3)}" for entry in data.mix or ())
        return [f"mix: {shares} of the tokens, no text more than {data.max_passes:g} times"]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values, for `--json`."""
        names = (
            "device", "parameters", "trainable_parameters", "attn_implementation", "target_modules", "steps", "steps_are_exact", "tokens_per_step", "tokens",
            "memory_bytes", "available_bytes", "fits", "flops", "seconds", "disk_bytes", "zero_stage", "flops_per_token", "flops_per_s", "cost", "settled", "notes",
        )  # fmt: skip
        found, machine = self.suggestion, self.machine
        return {name: getattr(self, name) for name in names} | {
            "world_size": self.environment.world_size,
            "nodes": self.environment.num_nodes,
            "device_name": self.environment.device_name,
            "memory": {moment.name: dict(moment.parts) for moment in self.memory.moments},
            "token_flops": asdict(self.token_flops)
            | {"model": self.token_flops.model, "hardware": self.token_flops.hardware},
            "speed_assumption": self.speed.assumption,
            "precision": self.config.precision,
            "peak_flops_per_s": self.speed.peak_flops,
            "currency": machine.currency if machine else None,
            "price_per_gpu_hour": machine.price_per_gpu_hour if machine else None,
            "interconnect": machine.interconnect if machine else None,
            "disk": asdict(self.disk) | {"kept_bytes": self.disk.kept_bytes, "most_bytes": self.disk.most_bytes},
            "suggestion": found
            and {"overrides": list(found.overrides), "memory_bytes": found.memory_bytes, "fits": found.fits},
        }


def checkpointed_blocks(config: TrainConfig, blocks: int) -> int:
    """How many blocks are computed twice; with `auto`, before the plan has found that out, none."""
    asked = config.gradient_checkpointing
    return 0 if asked in (False, "auto") else blocks if asked is True else min(int(asked), blocks)


def layout_of(
    config: TrainConfig, counted: CountedModel, sharing: Sharing, environment: Environment, device: str
) -> Layout:
    """What of a config and a machine decides the memory of one process."""
    return Layout(
        config.micro_batch_size,
        config.grad_accum_steps,
        checkpointed_blocks(config, len(counted.structure.blocks)),
        sharing,
        environment.world_size,
        on_cpu=device == "cpu",
    )
