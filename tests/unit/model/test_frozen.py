"""Parts that are frozen, by what a person calls them."""

import pytest
from tiny_llama import make_model

from qaz_llm.errors import ConfigError
from qaz_llm.model.frozen import freeze_parts


def frozen_by(parts: list[str], *, tied: bool = False) -> set[str]:
    model = make_model(tied=tied, num_layers=4)
    count = freeze_parts(model, parts)
    frozen = {name.removeprefix("model.") for name, p in model.named_parameters() if not p.requires_grad}
    assert count == sum(p.numel() for p in model.parameters() if not p.requires_grad)
    return frozen


def test_parts_by_their_names() -> None:
    assert frozen_by([]) == set()
    assert frozen_by(["embeddings"]) == {"embed_tokens.weight"}
    assert frozen_by(["head"]) == {"lm_head.weight"}
    assert frozen_by(["head"], tied=True) == {"embed_tokens.weight"}
    of_layer = {n for n in frozen_by(["layers 1-2"]) if n.startswith("layers.1.")}
    assert {n.split(".")[1] for n in frozen_by(["layers 1-2"])} == {"1", "2"}
    assert len(of_layer) == 9  # q k v o, gate up down, two norms
    assert frozen_by(["layers 1", "layers 2"]) == frozen_by(["layers 1-2"])
    assert len(frozen_by(["norms"])) == 2 * 4 + 1
    assert frozen_by(["self_attn.k_proj"]) == {f"layers.{n}.self_attn.k_proj.weight" for n in range(4)}
    assert len(frozen_by(["mlp"])) == 3 * 4


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["layers 2-4"], "has layers 0-3"),
        (["layers 3-2"], "has layers 0-3"),
        (["q_projection"], "is no part of LlamaForCausalLM"),
        (["proj"], "is no part of"),  # an end of a name is whole between dots
        (["embeddings", "head", "norms", "layers 0-3"], "nothing would be trained"),
    ],
)
def test_what_is_not_there_is_said(parts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        frozen_by(parts)
