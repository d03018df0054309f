"""Where everything of a run lies below its run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The folders of one run; each stage fills its own.

    RUN_DIR/config.yaml   the resolved config          RUN_DIR/run.json   packages, commit
    RUN_DIR/run.log       plain lines                  RUN_DIR/stages/    one manifest per stage
    """

    run_dir: Path

    @property
    def corpus(self) -> Path:
        return self.run_dir / "corpus"

    @property
    def tokenizer(self) -> Path:
        return self.run_dir / "tokenizer"

    @property
    def base_tokenizer(self) -> Path:
        return self.tokenizer / "base"

    @property
    def extended_tokenizer(self) -> Path:
        return self.tokenizer / "extended"

    @property
    def extension_facts(self) -> Path:
        return self.tokenizer / "extension_facts.json"

    @property
    def fertility(self) -> Path:
        return self.tokenizer / "fertility.json"

    def training(self, stage: str) -> Path:
        """The run folder of a training stage; its `model/` is the stage's result."""
        return self.run_dir / stage

    def trained_model(self, stage: str) -> Path:
        return self.training(stage) / "model"

    @property
    def evaluation(self) -> Path:
        return self.run_dir / "eval"

    @property
    def report(self) -> Path:
        return self.run_dir / "report"

    @property
    def model(self) -> Path:
        """The adapted model, the result of the whole run."""
        return self.run_dir / "model"
