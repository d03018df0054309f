"""Settings of the tokenizer stage."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from qaz_llm.config import LanguageCode, StrictModel


class TrainedBaseConfig(StrictModel):
    """A base tokenizer trained on the spot, where no checkpoint brings one."""

    vocab_size: int = Field(8000, ge=300, description="tokens of the base tokenizer, special tokens included")
    languages: tuple[LanguageCode, ...] = Field(("ru", "en"), description="languages of the corpus it learns from")


class TokenizerSettings(StrictModel):
    """What is added to which tokenizer."""

    base: str | None = Field(None, description="folder or hub id; null takes the tokenizer of model.checkpoint")
    train_base: TrainedBaseConfig | None = Field(None, description="train the base tokenizer instead of loading one")
    num_new_tokens: int = Field(8000, ge=0, description="tokens to add; 0 keeps the base tokenizer as it is")
    language: LanguageCode = Field("kk", description="language of the corpus the new tokens are learned from")
    min_frequency: int = Field(2, ge=1, description="a new token joins a pair seen at least this often")

    @model_validator(mode="after")
    def _one_base(self) -> Self:
        if self.base is not None and self.train_base is not None:
            raise ValueError("give either base or train_base, not both")
        return self
