"""`qaz merge`: put models together, and search how far to go by held-out text.

The search tries scales from 0 (`onto` as it is) to 1 in even steps, and takes the one with the lowest bits per byte of the first held-out
text among those that keep all others within `keep_within` of what the models had: of each the better one of scale 0 and of `reference`.

    scale    kk      en        kept within 5 % of en 1.30: up to 1.365
    0        1.60    1.45      no
    0.5      1.70    1.35      yes, kk lowest of these      →  0.5
    1        2.90    1.30      yes
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.model.merge import Merge, difference_of, revert_parts
from qaz_llm.model.one_base import Source, check_one_base, remarks, shared_tokens
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from qaz_llm.pipeline.watch import HeldOut

STEPS = 10

LARGE_WEIGHT = 2.0
"""A difference that is added more than twice over leaves the region in which adding differences was seen to work (arXiv 2212.04089 tries
0 to 1 for each of several, and to 1.5 and a little more for one)."""

_logger = get_logger("merge")


@dataclass(frozen=True)
class MergeRequest:
    """What `qaz merge` was asked for. `adds` with the weight of each; `heldout` empty: no search, scale 1."""

    onto: str
    adds: tuple[tuple[str, float], ...] = ()
    ref: str | None = None
    revert: tuple[str, ...] = ()
    heldout: tuple[tuple[str, str], ...] = ()
    keep_within: float = 0.05
    trust_remote_code: bool = False


@dataclass(frozen=True)
class Tried:
    """Bits per byte of each held-out text at one scale, and whether all that is to be kept is within its limit."""

    scale: float
    bits: Mapping[str, float]
    is_kept: bool


@dataclass(frozen=True)
class Merged:
    """What was made: the scale that was taken, all that were tried, and what could not take part. `notes` are the warnings."""

    out: Path
    scale: float
    tried: tuple[Tried, ...]
    left_rows: int
    reverted_parameters: int
    dtype: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"out": str(self.out)}


def merge_models(request: MergeRequest, out: Path) -> Merged:
    """Merge, search where held-out text is given, and write the model at `out`.

    Raises:
        InputError: nothing to add or revert, a model that cannot be loaded or is of another base, text that is none; weights that
            come out beyond what their type holds.
        ConfigError: `revert` names a part that the model does not have.
    """
    from qaz_llm.model.card import facts_of_base, read_facts
    from qaz_llm.model.export import write_model
    from qaz_llm.pipeline.watch import watch_files

    if not request.adds and not request.revert:
        raise InputError("nothing to merge", hint="name a model with --add, or parts with --revert and --ref")
    heldout = watch_files(dict(request.heldout), key="--heldout ")  # before the models, which take longer
    notes: list[str] = []
    for note in odd_weights(request.adds):
        _note(note, notes)
    onto = _load(request.onto, request)
    ref = onto if request.ref is None else _load_other(request.ref, onto, request, notes)
    reverted = _revert(onto, ref, request)
    scale, left = 1.0, 0
    tried: tuple[Tried, ...] = ()
    if request.adds:
        adds = [(_load_other(name, onto, request, notes), weight) for name, weight in request.adds]
        merge = Merge.of(onto, difference_of(onto, adds, ref))
        left = merge.difference.left_rows
        if left:
            _logger.info("%d tokens are not in all models: their rows stay as %s has them", left, request.onto)
        if merge.is_nothing and any(weight for _, weight in request.adds):
            _note("the difference that is added is zero everywhere: the models have the same weights", notes)
        if request.heldout:
            tried = search(merge, onto, request, heldout)
            scale = chosen(tried, request.heldout[0][0]).scale
        merge.set_scale(scale)
    facts = read_facts(Path(request.onto)) or facts_of_base(request.onto)
    write_model(
        onto.model,
        onto.tokenizer,
        out,
        facts=facts | {"merged": in_words(request, scale)},
        generation_from=Path(request.onto),
    )
    return Merged(out, scale, tried, left, reverted, str(onto.model.dtype).removeprefix("torch."), tuple(notes))


def odd_weights(adds: Sequence[tuple[str, float]]) -> Iterator[str]:
    """What is unusual in the weights, and may be a slip of the hand."""
    names = [name for name, _ in adds]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"{name} is added {names.count(name)} times, its weights add up to {sum(w for n, w in adds if n == name):g}"
    for name, weight in adds:
        if weight == 0:
            yield f"{name} has weight 0 and changes nothing"
        elif weight < 0:
            yield f"{name} has weight {weight:g}: its difference is taken away"
        if abs(weight) > LARGE_WEIGHT:
            yield f"{name} has weight {weight:g}, and more than {LARGE_WEIGHT:g} times a difference seldom leaves a working model"


def _load(name: str, request: MergeRequest) -> Source:
    """Raises InputError also where its tokenizer has tokens that its table has no rows for."""
    from qaz_llm.model.embeddings import count_rows
    from qaz_llm.model.load import load_model, load_tokenizer
    from qaz_llm.model.vocabulary import check_rows

    trust = request.trust_remote_code
    source = Source(name, load_model(name, trust_remote_code=trust), load_tokenizer(name, trust_remote_code=trust))
    check_rows(count_rows(source.model), len(source.tokenizer), name=name)
    return source


def _load_other(name: str, onto: Source, request: MergeRequest, notes: list[str]) -> Source:
    """A model beside `onto`, held against it as soon as it is there; what is to be known of the two goes into `notes`."""
    other = _load(name, request)
    check_one_base(onto, other)
    shared, of = shared_tokens(onto, other)
    _logger.info("%s shares %s of %s tokens with %s", name, f"{shared:,}", f"{of:,}", onto.name)
    for note in remarks(onto, other):
        _note(note, notes)
    return other


def _note(note: str, notes: list[str]) -> None:
    """Warn of something once, and keep it for the result."""
    if note not in notes:
        _logger.warning(note)
        notes.append(note)


def _revert(onto: Source, ref: Source, request: MergeRequest) -> int:
    if not request.revert:
        return 0
    if request.ref is None:
        raise InputError("--revert needs --ref", hint="name the model whose parts are to be put back: --ref MODEL")
    done = revert_parts(onto, ref, request.revert)
    _logger.info("%s: %s parameters as %s has them", ", ".join(request.revert), f"{done:,}", request.ref)
    return done


def search(merge: Merge, onto: Source, request: MergeRequest, heldout: HeldOut) -> tuple[Tried, ...]:
    """Bits per byte of the held-out texts at each scale. The limits come from the ends: scale 0 and scale 1."""
    found = [(n / STEPS, _bits_at(n / STEPS, merge, onto, heldout)) for n in range(STEPS + 1)]
    return judge(found, request.heldout[0][0], request.keep_within)


def _bits_at(scale: float, merge: Merge, onto: Source, heldout: HeldOut) -> Mapping[str, float]:
    merge.set_scale(scale)
    bits = heldout(onto.model, onto.tokenizer, 0)
    _logger.info("scale %.1f: %s", scale, ", ".join(f"{name} {value:.4f}" for name, value in bits.items()))
    return bits


def judge(found: Sequence[tuple[float, Mapping[str, float]]], target: str, keep_within: float) -> tuple[Tried, ...]:
    """Which scales keep every text but `target` within `keep_within` of the better of the two ends."""
    ends = found[0][1], found[-1][1]
    limits = {name: min(end[name] for end in ends) * (1 + keep_within) for name in ends[0] if name != target}
    return tuple(
        Tried(scale, dict(bits), all(bits[name] <= limit for name, limit in limits.items())) for scale, bits in found
    )


def chosen(tried: Sequence[Tried], target: str) -> Tried:
    """The kept scale with the lowest `target`. Raises InputError where none keeps all."""
    kept = [one for one in tried if one.is_kept]
    if not kept:
        raise InputError(
            "no scale keeps all held-out texts within the limit",
            hint="allow more with --keep-within, or look at what was found with --json and set the weights by hand",
        )
    return min(kept, key=lambda one: one.bits[target])


def in_words(request: MergeRequest, scale: float) -> str:
    """For the card: names without paths.

    >>> in_words(MergeRequest("runs/a/model", (("base", 0.5),), "base"), 1.0)
    'a/model + 0.5 × (base − base)'
    """
    ref = _short(request.ref or request.onto)
    said = _short(request.onto)
    said += "".join(f" + {scale * weight:.3g} × ({_short(name)} − {ref})" for name, weight in request.adds)
    return said + (f"; {', '.join(request.revert)} as in {ref}" if request.revert else "")


def _short(name: str) -> str:
    path = Path(name)
    return "/".join(path.parts[-2:]) if path.name in ("model", "adapter") else path.name
