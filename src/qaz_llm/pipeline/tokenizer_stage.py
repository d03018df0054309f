"""The stage that extends the vocabulary, or first trains one, and measures what a word costs before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qaz_llm.io import atomic_dir, read_json, write_json
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.inputs import folder_files, heldout_files
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.stages import Stage
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from qaz_llm.tokenizer.curve import ModelCost

_logger = get_logger("run")

TOKENIZER_BYTES_PER_S = 900_000
"""UTF-8 bytes of corpus per second of the tokenizer stage, on one core; only for estimates."""


def tokenizer_stage(config: RunConfig, layout: Layout) -> Stage:
    """Stage `tokenizer`."""
    needs_similar = config.model.embedding_init in {"fitted", "blend", "similar"}
    settings = config.tokenizer.model_copy(update={"similar": config.tokenizer.similar and needs_similar})

    def work() -> Mapping[str, Any]:
        from qaz_llm.tokenizer.base import train_base_tokenizer
        from qaz_llm.tokenizer.corpus import read_texts
        from qaz_llm.tokenizer.fast import load_fast_tokenizer
        from qaz_llm.tokenizer.make import make_from_files

        if settings.train_base is None:
            base = load_fast_tokenizer(settings.base or str(config.model.checkpoint))
        else:
            texts = (t for lang in settings.train_base.languages for t in read_texts(layout.corpus, language=lang))
            base = train_base_tokenizer(texts, vocab_size=settings.train_base.vocab_size)
        with atomic_dir(layout.base_tokenizer) as folder:
            base.save_pretrained(folder)
        extended, new_tokens = base, 0
        if settings.num_new_tokens:
            keep = {lang: layout.corpus for lang in settings.keep if _is_kept(layout, lang, settings.language)}
            result, facts = make_from_files(
                base, settings, [layout.corpus], keep=keep, cost=_model_cost(config, len(base))
            )
            result.save(layout.extended_tokenizer)
            write_json(layout.extension_facts, facts.to_dict())
            extended, new_tokens = result.tokenizer, facts.new_tokens
        fertility = _fertility(config, {"base": base, "extended": extended})
        write_json(layout.fertility, fertility)
        before, after = (fertility[name]["kk"]["tokens_per_word"] for name in ("base", "extended"))
        return {
            "tokens": len(extended),
            "new_tokens": new_tokens,
            "kk_tokens_per_word": f"{before:.2f} → {after:.2f}",
        }

    return Stage(
        name="tokenizer",
        folder=layout.tokenizer,
        rooms=("tokenizer", "evals/items", "evals/task"),
        after=("corpus",),
        settings={**settings.to_dict(), "checkpoint": config.model.checkpoint, "suite": config.eval.suite},
        inputs=lambda: [
            *folder_files(settings.base or config.model.checkpoint, "tokenizer"),
            *heldout_files(config),  # fertility is measured on them
        ],
        work=work,
        size=lambda: f"{_how_many(settings.num_new_tokens)} new tokens from the corpus's {settings.language} text",
        estimate_s=lambda: _tokenizer_estimate_s(layout),
    )


def _is_kept(layout: Layout, language: str, added: str) -> bool:
    """Whether a language to keep is another than the added one, and the corpus holds text in it; said where it does not."""
    if language == added:
        return False
    found = bool(read_json(layout.corpus / "manifest.json")["languages"].get(language, {}).get("bytes"))
    if not found:
        _logger.info("tokenizer.keep names %s, of which the corpus has no text: passed over", language)
    return found


def _how_many(num_new_tokens: int | str) -> str:
    return f"{num_new_tokens:,}" if isinstance(num_new_tokens, int) else "as many as the gain curve suggests of"


def _model_cost(config: RunConfig, vocab_size: int) -> ModelCost | None:
    """What a row of the vocabulary costs this model; only needed where the size is to be chosen."""
    if config.tokenizer.num_new_tokens != "auto":
        return None
    from qaz_llm.model.architecture import llama_config, model_cost
    from qaz_llm.model.load import load_config_of

    if config.model.architecture is not None:
        return model_cost(llama_config(config.model.architecture, vocab_size=vocab_size))
    trust = config.model.trust_remote_code
    return model_cost(load_config_of(str(config.model.checkpoint), trust_remote_code=trust), trust_remote_code=trust)


def _tokenizer_estimate_s(layout: Layout) -> float | None:
    """From the size of the corpus; None while there is none."""
    manifest = layout.corpus / "manifest.json"
    if not manifest.is_file():
        return None
    size: int = sum(language["bytes"] for language in read_json(manifest)["languages"].values())
    return 2.0 + size / TOKENIZER_BYTES_PER_S


def _fertility(config: RunConfig, tokenizers: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Fertility of each tokenizer per language, on the held-out sentences that bits per byte are measured on too."""
    from qaz_llm.evals.items.load import heldout_texts
    from qaz_llm.tokenizer.fertility import measure_fertility

    texts = heldout_texts(config.eval.suite, root=config.eval.root or config.data.root)
    return {
        name: {language: measure_fertility(tokenizer, texts[language]).to_dict() for language in texts}
        for name, tokenizer in tokenizers.items()
    }
