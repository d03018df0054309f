"""What `qaz run` is told: one section per stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from qaz_llm.config import LanguageCode, StrictModel
from qaz_llm.data.config import DataConfig
from qaz_llm.evals.config import EvalSettings
from qaz_llm.model.choices import Attention, EmbeddingInit
from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.rows.config import MixEntry
from qaz_llm.tokenizer.config import TokenizerSettings
from qaz_llm.train.config import TrainSettings


class ModelSection(StrictModel):
    """The model to adapt: a checkpoint, or an architecture that stage `pretrain` trains first."""

    checkpoint: str | None = Field(None, description="folder or hub id")
    architecture: ArchitectureConfig | None = None
    """In place of a checkpoint: a fresh model, which stage `pretrain` trains first."""
    embedding_init: EmbeddingInit = Field("fitted", description="start of the new rows")
    attn_implementation: Attention = "auto"
    """How attention is computed; `auto`: `sdpa` where the architecture has it, else `eager`."""
    trust_remote_code: bool = False
    """Run code that a checkpoint brings. Leave this off for what you have not read."""
    chat_template: str | None = Field(
        None,
        description="for stages sft and preference: file with a chat template, or `chatml`; null: the tokenizer's own",
    )

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if (self.checkpoint is None) == (self.architecture is None):
            raise ValueError("give exactly one of checkpoint and architecture")
        return self


class TextStage(TrainSettings):
    """Training on documents of the corpus, languages mixed by weight in tokens."""

    mix: dict[LanguageCode, float] = Field(description="weight of each language, in tokens")
    total_tokens: int | None = Field(None, gt=0, description="null: as many as weights and max_passes allow")
    max_passes: float = Field(4.0, gt=0, description="how often one document may be repeated")

    @model_validator(mode="after")
    def _positive_weights(self) -> Self:
        wrong = [language for language, weight in self.mix.items() if weight <= 0]
        if wrong or not self.mix:
            raise ValueError("mix needs at least one language, each with a weight above 0")
        return self


class PretrainStage(TextStage):
    """Training of a fresh model on the languages it is to know before it is adapted."""

    method: Literal["pretrain"] = "pretrain"
    """Fresh weights on plain text; nothing else fits this stage."""
    mix: dict[LanguageCode, float] = Field({"ru": 1.0, "en": 1.0}, description="weight of each language, in tokens")


class ContinueStage(TextStage):
    """Continued pretraining: mostly Kazakh, with Russian and English replayed so that they are not forgotten."""

    method: Literal["cpt"] = "cpt"
    """A checkpoint on plain text; nothing else fits this stage."""
    mix: dict[LanguageCode, float] = Field(
        {"kk": 0.8, "ru": 0.1, "en": 0.1}, description="weight of each language, in tokens"
    )


class InstructStage(TrainSettings):
    """Instruction tuning on the conversations of the corpus; only the assistant's words are learned."""

    method: Literal["sft"] = "sft"
    """A checkpoint on dialogues; nothing else fits this stage."""
    shares: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {},
        description="share of the tokens of each source of `data.conversations`, by name, relative to the others; a source that is not "
        "named is left out, which the log says; empty: all conversations as they lie",
    )
    max_passes: float = Field(4.0, gt=0, description="with shares: how often one conversation may be repeated")


class PreferenceStage(TrainSettings):
    """Learning from pairs of answers, of which one is preferred, after instruction tuning.

    The pairs are read as they are: stage `corpus` neither cleans them nor compares them with the evaluation's texts.
    """

    method: Literal["dpo"] = "dpo"
    """A checkpoint on pairs of answers; nothing else fits this stage."""
    pairs: tuple[MixEntry, ...] = Field(min_length=1)
    """Files of pairs, rows with `chosen` and `rejected`, each part with its weight in tokens; relative paths below `data.root`."""


class EvalSection(EvalSettings):
    """What both models are scored on at the end, and what is looked at while they are trained."""

    quick_items: int | None = Field(
        None,
        ge=1,
        description="groups of each multiple-choice task of the suite that are also asked while a model is trained, each "
        "`eval_every_steps`; their share of wrong answers stands in evals.jsonl as `TASK.LANGUAGE`; null: bits per byte alone",
    )


TRAINING_STAGES = ("pretrain", "cpt", "sft", "preference")


class RunConfig(StrictModel):
    """The main job. Stages: corpus, tokenizer, (pretrain), cpt, (sft), (preference), eval, report."""

    run_dir: Path
    """Everything of the job goes into this folder, a folder for each stage."""
    title: str = Field("Kazakh adaptation", description="title of the report")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    data: DataConfig = Field(description="the corpus; `out` is set to RUN_DIR/corpus")
    tokenizer: TokenizerSettings = TokenizerSettings()
    """Stage `tokenizer`: how the vocabulary is extended."""
    model: ModelSection
    """The model to adapt."""
    pretrain: PretrainStage | None = None
    """Stage `pretrain`, for a fresh architecture; null: there is none."""
    cpt: ContinueStage = ContinueStage()
    """Stage `cpt`: continued pretraining on the corpus."""
    sft: InstructStage | None = InstructStage()
    """Stage `sft`: instruction tuning on the conversations; null: there is none."""
    preference: PreferenceStage | None = None
    """Stage `preference`: learning from pairs of answers; null: there is none."""
    eval: EvalSection
    """Stage `eval`: the suite that the base and the adapted model are scored on."""

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        if self.model.architecture is not None and self.pretrain is None:
            raise ValueError("model.architecture has no weights yet: add a pretrain section, or give model.checkpoint")
        if self.model.checkpoint is not None and self.pretrain is not None:
            raise ValueError("pretrain is for a fresh architecture; with model.checkpoint leave the section out")
        if self.model.architecture is not None and self.tokenizer.base is None and self.tokenizer.train_base is None:
            raise ValueError("a fresh architecture has no tokenizer: set tokenizer.train_base or tokenizer.base")
        if self.model.checkpoint is not None and self.tokenizer.train_base is not None:
            raise ValueError("tokenizer.train_base makes a tokenizer that model.checkpoint cannot read; leave it out")
        if self.model.architecture is not None:
            longest = self.model.architecture.max_position_embeddings
            for name in TRAINING_STAGES:
                section = getattr(self, name)
                if section is not None and section.seq_len > longest:
                    raise ValueError(f"{name}.seq_len {section.seq_len} exceeds max_position_embeddings {longest}")
        if self.sft is not None and not self.data.conversations:
            raise ValueError("stage sft needs data.conversations; add a source, or set sft: null")
        names = [source.name for source in self.data.conversations]
        unknown = sorted(set(self.sft.shares if self.sft is not None else ()) - set(names))
        if unknown:
            raise ValueError(
                f"sft.shares names {', '.join(unknown)}; the sources of data.conversations are {', '.join(names)}"
            )
        return self


def training_stages(config: RunConfig) -> tuple[str, ...]:
    """The names of the training stages that a config has, in order."""
    return tuple(name for name in TRAINING_STAGES if getattr(config, name) is not None)
