"""What a transformers config makes: the kind of model, its attention, its parameters; and a fresh Llama of a given shape."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from qaz_llm.errors import ConfigError, InputError
from qaz_llm.model.choices import DOCUMENTS, Attention
from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.model.llama_sizes import LlamaForCausalLM, LlamaSizes, sizes_of
from qaz_llm.progress import get_logger
from qaz_llm.tokenizer.curve import ModelCost

if TYPE_CHECKING:
    from transformers import LlamaConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

_logger = get_logger("model")

DROPOUTS = ("attention_dropout", "attn_pdrop", "attn_dropout", "attention_probs_dropout_prob", "attention_dropout_prob")
"""What configs call the share of attention that is dropped out in training."""

EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""What configs call the number of experts in a layer."""


def make_model(
    architecture: ArchitectureConfig,
    tokenizer: PreTrainedTokenizerFast,
    *,
    seed: int,
    attn_implementation: str = "auto",
) -> PreTrainedModel:
    """A Llama with fresh float32 weights drawn by `seed`, its vocabulary as large as the tokenizer's."""
    import torch
    from transformers import LlamaForCausalLM

    config = llama_config(
        architecture,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    if attn_implementation == DOCUMENTS:
        from qaz_llm.model.kernels.documents import register_documents

        register_documents()
    config._attn_implementation = "sdpa" if attn_implementation == "auto" else attn_implementation
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def llama_config(architecture: ArchitectureConfig, *, vocab_size: int, **token_ids: Any) -> LlamaConfig:
    """The transformers config of an architecture."""
    rotary = {"rope_type": "default", "rope_theta": architecture.rope_theta}
    return config_of_sizes(sizes_of(architecture, vocab_size=vocab_size), rope_parameters=rotary, **token_ids)


def config_of_sizes(sizes: LlamaSizes, **more: Any) -> LlamaConfig:
    """The transformers config of a Llama of these sizes."""
    from transformers import LlamaConfig

    return LlamaConfig(**vars(sizes), **more)


def has_experts(config: PretrainedConfig) -> bool:
    """True for a mixture of experts."""
    return any((getattr(config, name, None) or 0) > 1 for name in EXPERT_COUNTS)


def count_active(model: PreTrainedModel) -> float:
    """The parameters that one token goes through: of a mixture of experts those that the router takes, else all.

    Of a layer's E experts a token takes k, so k / E of their parameters count.
    """
    config, total = model.config, 0.0
    experts = next((getattr(config, name) for name in EXPERT_COUNTS if getattr(config, name, None)), None)
    share = (getattr(config, "num_experts_per_tok", None) or experts) / experts if experts else 1.0
    for name, parameter in model.named_parameters():
        total += parameter.numel() * (share if ".experts." in name else 1.0)
    return total


def model_cost(config: Any, *, trust_remote_code: bool = False) -> ModelCost:
    """What decides how dear a row of the vocabulary is: parameters beside the tables, and the hidden size."""
    model = model_without_weights(config, trust_remote_code=trust_remote_code)
    tables = {id(table.weight): table.weight for table in (model.get_input_embeddings(), model.get_output_embeddings())}
    body = sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in tables)
    return ModelCost(body_parameters=body, hidden_size=model.get_input_embeddings().weight.shape[1])


def model_without_weights(config: Any, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """The model of a transformers config, shapes alone."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    return cast("PreTrainedModel", model)


def text_config_of(config: PretrainedConfig) -> PretrainedConfig:
    """The config of the text model inside a multimodal one, as a config of its own; any other config as it is.

    Raises:
        InputError: the text model is none that transformers has as a causal language model by itself.
    """
    text = config.get_text_config(decoder=True)
    if type(text) is type(config):  # one of its own: an encoder-decoder gives a copy
        return config
    if not is_causal(text):
        raise InputError(
            f"{config.name_or_path}: a {config.model_type} model, whose text part ({text.model_type}) transformers has not "
            "as a language model by itself",
            hint="take a checkpoint of the text model alone",
        )
    text.name_or_path = config.name_or_path
    text.tie_word_embeddings = text.tie_word_embeddings or config.tie_word_embeddings
    if text.dtype is None:
        text.dtype = config.dtype
    if getattr(config, "quantization_config", None) is not None:
        text.quantization_config = config.quantization_config
    return text


def is_causal(config: PretrainedConfig) -> bool:
    """True where transformers, or code that the checkpoint brings, has a causal language model of this config."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING or "AutoModelForCausalLM" in getattr(config, "auto_map", {})


def is_bidirectional(config: PretrainedConfig) -> bool:
    """True for an encoder, as BERT, which transformers makes a causal model only where its config says is_decoder."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

    return type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)


def choose_attention(
    config: PretrainedConfig | LlamaSizes, wanted: Attention, *, trust_remote_code: bool = False
) -> str:
    """How attention is to be computed: `auto` is sdpa where the architecture has it, else eager, which is logged.

    Raises:
        ConfigError: what was asked for is nothing this architecture has; what it has is named.
    """
    model_class = _class_of(config, trust_remote_code=trust_remote_code)
    has = _attentions_of(model_class)
    if wanted == "auto":
        if not has["sdpa"]:
            _logger.info("%s has no sdpa attention: attention is eager", model_class.__name__)
        return "sdpa" if has["sdpa"] else "eager"
    if wanted == DOCUMENTS and (why := why_no_documents(config, model_class)) is not None:
        raise ConfigError(
            f"model.attn_implementation {DOCUMENTS}: not of {model_class.__name__}: {why}",
            hint="use model.attn_implementation=auto, which takes what there is",
        )
    if not has[wanted]:
        others = ", ".join(name for name, supported in has.items() if supported)
        raise ConfigError(
            f"model.attn_implementation {wanted}: {model_class.__name__} has {others} only",
            hint="use model.attn_implementation=auto, which takes what there is",
        )
    return wanted


def _attentions_of(model_class: Any) -> dict[str, bool]:
    """Which attentions a class says that it has."""
    flash = getattr(model_class, "_supports_flash_attn", False) or getattr(model_class, "_supports_flash_attn_2", False)
    return {
        "eager": True,
        "sdpa": bool(getattr(model_class, "_supports_sdpa", False)),
        "flash_attention_2": bool(flash),
        "flash_attention_3": bool(flash),
        "flex_attention": bool(getattr(model_class, "_supports_flex_attn", False)),
        DOCUMENTS: bool(getattr(model_class, "_supports_attention_backend", False)),
    }


def choose_training_attention(
    config: PretrainedConfig | LlamaSizes,
    *,
    packs: bool,
    on_gpu: bool,
    half: bool,
    looks_here: bool = True,
    trust_remote_code: bool = False,
) -> tuple[str, str | None]:
    """The attention of a training, and why, where that is worth a line.

    `packs`: rows hold several documents, which must not see each other. `half`: 16 bit. `looks_here`: a package that is
    installed here may be used; False for a machine that is described.
    """
    plain = choose_attention(config, "auto", trust_remote_code=trust_remote_code)
    if not packs:
        return plain, None
    model_class = _class_of(config, trust_remote_code=trust_remote_code)
    why = why_no_documents(config, model_class)
    if why is None and on_gpu:
        why = why_not_on_gpu(config, half=half)
    if why is not None:
        return plain, f"attention within documents cannot be had, {why}"
    has_flash_3 = looks_here and find_spec("flash_attn_interface") is not None
    if on_gpu and _attentions_of(model_class)["flash_attention_3"] and has_flash_3:
        return "flash_attention_3", "the package is installed"
    return DOCUMENTS, "rows of several documents, without a mask"


def why_no_documents(config: PretrainedConfig | LlamaSizes, model_class: Any) -> str | None:
    """What keeps a model from attention within documents (kernels/documents.py); None where nothing does."""
    has, kinds = _attentions_of(model_class), set(getattr(config, "layer_types", None) or ())
    if not has[DOCUMENTS]:
        return f"{model_class.__name__} does not let its attention be chosen"
    if unknown := sorted(kinds - {"full_attention", "sliding_attention"}):
        return f"it has layers of {', '.join(unknown)}"
    if dropout := next((share for name in DROPOUTS if (share := getattr(config, name, None))), None):
        return f"its attention drops out ({dropout:g})"
    if not has["sdpa"] and getattr(config, "attn_logit_softcapping", None) is None:
        return "its attention adds what others do not"
    return None


def why_not_on_gpu(config: PretrainedConfig | LlamaSizes, *, half: bool) -> str | None:
    """What torch's varlen_attn, flash attention 2, does not take."""
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if not half:
        return "on a GPU it needs precision bf16"
    if width > 256 or width % 8:
        return f"heads are {width} wide, on a GPU it takes multiples of 8 up to 256"
    if (
        getattr(config, "attn_logit_softcapping", None) is not None
        or getattr(config, "qk_rope_head_dim", None) is not None
    ):
        return "no kernel on a GPU computes this family's scores"
    return None


def _class_of(config: PretrainedConfig | LlamaSizes, *, trust_remote_code: bool) -> Any:
    """The class of the causal language model of a config."""
    if isinstance(config, LlamaSizes):
        return LlamaForCausalLM
    from transformers.dynamic_module_utils import get_class_from_dynamic_module
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    reference = getattr(config, "auto_map", {}).get("AutoModelForCausalLM")
    if reference is not None and trust_remote_code:
        return get_class_from_dynamic_module(reference, config.name_or_path)
    found = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    return found[0] if isinstance(found, tuple) else found
