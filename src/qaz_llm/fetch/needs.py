"""What of the hub a config names: models, tokenizers, data sets.

Judges and models behind a server are not fetched: the server has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qaz_llm.config import StrictModel
from qaz_llm.data.config import ConversationSourceConfig, DataConfig, MixConfig, SourceConfig
from qaz_llm.evals.config import EvalConfig, EvalSettings
from qaz_llm.io import own_copy
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.train.config import TrainConfig

if TYPE_CHECKING:
    from qaz_llm.evals.task import TaskConfig

RepoType = Literal["model", "dataset"]


@dataclass(frozen=True)
class Need:
    """A repository of the hub, and what of it.

    Attributes:
        revision: as the config pins it; None: whatever its main branch is now.
        weights: of a model more than its tokenizer.
        code: of a model the Python files too, as the config trusts them.
        subsets: of a data set all files of these subsets (``: of its only or first one).
        patterns: of a data set the files that match.
        why: the keys and tasks that name it.
    """

    repo: str
    type: RepoType
    revision: str | None = None
    weights: bool = False
    code: bool = False
    subsets: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Needs of one key are fetched together."""
        return self.type, self.repo, self.revision

    def joined(self, other: Need) -> Need:
        """Both."""
        return replace(
            self,
            weights=self.weights or other.weights,
            code=self.code or other.code,
            subsets=tuple(sorted({*self.subsets, *other.subsets})),
            patterns=tuple(sorted({*self.patterns, *other.patterns})),
            why=tuple(dict.fromkeys([*self.why, *other.why])),
        )


def needs_of(config: StrictModel) -> tuple[Need, ...]:
    """What a config of any kind needs, each repository once, in the order of the config.

    Raises InputError for tasks and suites that do not exist.
    """
    return joined(_named(config))


def joined(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Each repository once, with all that is needed of it."""
    found: dict[tuple[str, str, str | None], Need] = {}
    for need in needs:
        found[need.key] = found[need.key].joined(need) if need.key in found else need
    return tuple(found.values())


def _named(config: StrictModel) -> Iterator[Need]:
    match config:
        case RunConfig():
            trusted = config.model.trust_remote_code
            yield from _model(config.model.checkpoint, "model.checkpoint", code=trusted)
            yield from _model(config.tokenizer.base, "tokenizer.base", weights=False, code=trusted)
            yield from _data(config.data, "data.")
            yield from _tasks(config.eval, config.eval.root or config.data.root, "eval: ")
        case TrainConfig():
            trusted = config.model.trust_remote_code
            yield from _model(config.model.checkpoint, "model.checkpoint", code=trusted)
            yield from _model(config.model.tokenizer, "model.tokenizer", weights=False, code=trusted)
            recipe = config.data.recipe
            yield from _model(recipe.tokenizer if recipe else None, "data.recipe.tokenizer", weights=False)
        case DataConfig():
            yield from _data(config, "")
        case EvalConfig():
            if config.server is None:
                yield from _model(config.model, "model", code=config.trust_remote_code)
            yield from _tasks(config, config.root, "")
        case SourceConfig():
            yield from _source(config, None, "source")
        case MixConfig():
            yield from _model(config.tokenizer, "tokenizer", weights=False)


def is_hub_id(name: str | None) -> bool:
    """Whether a name that may be a folder's means a repository of the hub: OWNER/NAME, and no such folder here."""
    if not name or name.startswith((".", "/", "~")) or name.count("/") > 1:
        return False
    return not Path(name).exists()


def _model(name: str | None, key: str, *, weights: bool = True, code: bool = False) -> Iterator[Need]:
    if name is not None and is_hub_id(name):
        yield Need(name, "model", weights=weights, code=code, why=(key,))


def _data(config: DataConfig, prefix: str) -> Iterator[Need]:
    for name, sources in (("sources", config.sources), ("conversations", config.conversations)):
        for source in sources:
            yield from _source(source, config.root, f"{prefix}{name}.{source.name}")


def _source(source: SourceConfig | ConversationSourceConfig, root: Path | None, key: str) -> Iterator[Need]:
    if source.format != "hub" or own_copy(source.path, root=root) is not None:
        return
    patterns = source.hub_files if isinstance(source, SourceConfig) else ()
    subsets = () if patterns else (source.hub_subset or "",)
    yield Need(source.path, "dataset", subsets=subsets, patterns=patterns, why=(key,))


def _tasks(config: EvalSettings, root: Path | None, prefix: str) -> Iterator[Need]:
    from qaz_llm.evals.items.sources import HUB_PREFIX, parse_address
    from qaz_llm.evals.task import choose_tasks

    for task in choose_tasks(config):
        for written in _places(task):
            if not written.startswith(HUB_PREFIX):
                continue
            address = parse_address(written)
            if own_copy(address.name, root=root, beside="hub/") is not None:
                continue
            patterns, subsets = ((address.pattern,), ()) if address.pattern else ((), (address.subset,))
            yield Need(
                address.name, "dataset", address.revision, subsets=subsets, patterns=patterns, why=(prefix + task.name,)
            )


def _places(task: TaskConfig) -> Iterator[str]:
    """Where the items of a task and its solved examples lie."""
    for place in (task.file, task.dev_file, *task.files.values(), *task.dev_files.values()):
        yield from ((place,) if isinstance(place, str) else place or ())
