"""Settings of the tokenizer stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from qaz_llm.config import LanguageCode, StrictModel


class TrainedBaseConfig(StrictModel):
    """A base tokenizer trained on the spot, where no checkpoint brings one."""

    vocab_size: int = Field(8000, ge=300, description="tokens of the base tokenizer, special tokens included")
    languages: tuple[LanguageCode, ...] = Field(("ru", "en"), description="languages of the corpus it learns from")


class ExtensionConfig(StrictModel):
    """Which tokens are added to a base tokenizer, and where they go."""

    num_new_tokens: Literal["auto"] | NonNegativeInt = Field(
        8000, description="tokens to add; auto takes the size that the gain curve suggests; 0 keeps the base as it is"
    )
    max_new_tokens: int = Field(32_000, ge=1, description="the most that auto may take")
    language: LanguageCode = Field("kk", description="language of the corpus the new tokens are learned from")
    min_frequency: int = Field(2, ge=1, description="a new token joins a pair seen at least this often")
    planned_tokens: int | None = Field(
        None, ge=1, description="tokens in this language that the model will be trained on; sets a least frequency"
    )
    min_seen: int = Field(100, ge=1, description="how often each new token is to be seen in planned_tokens")
    keep_weight: float = Field(
        10.0, ge=0, description="how much a merge's use in the kept languages counts against it; 0 learns without them"
    )
    swap: bool = Field(False, description="give new tokens the ids of old ones that no text here uses")
    pad_to_multiple_of: int | None = Field(None, ge=1, description="rows of the model's tables, for instance 64 or 128")
    similar: bool = Field(True, description="work out similar old tokens, for embedding_init fitted, blend and similar")


class TokenizerSettings(ExtensionConfig):
    """What is added to which tokenizer."""

    base: str | None = Field(None, description="folder or hub id; null takes the tokenizer of model.checkpoint")
    train_base: TrainedBaseConfig | None = Field(None, description="train the base tokenizer instead of loading one")
    keep: tuple[LanguageCode, ...] = Field(
        ("ru", "en"),
        description="languages of the corpus, beside the one that tokens are added for, that are to lose little by it",
    )

    @model_validator(mode="after")
    def _one_base(self) -> Self:
        if self.base is not None and self.train_base is not None:
            raise ValueError("give either base or train_base, not both")
        return self
