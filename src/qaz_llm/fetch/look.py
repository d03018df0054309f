"""What the hub says of what is needed: which files, how large, under which licence, at which commit, and who may have them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError, WorkError
from qaz_llm.fetch.inside import stays_inside
from qaz_llm.fetch.needs import Need
from qaz_llm.io import hub_endpoint, hub_name
from qaz_llm.io.secrets import safe_to_show
from qaz_llm.labels.names import shown

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TOKENIZER_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken", "additional_chat_templates/*.jinja")
"""Of a model repository what configs and tokenizers are read from; weights' indexes are .json too."""
WEIGHTS = ("model*.safetensors",)
_PART = re.compile(r"(.*)-\d{5}-of-(\d{5})(\.safetensors)")
MAX_PARTS = 10_000
PAPERS = ("README.md", "LICEN[SC]E*", "NOTICE*", "USE_POLICY*")
NOT_READ = ("training_args.json", "trainer_state.json", "onnx/*", "*.index.json.*")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository. The hub knows large ones by their SHA-256, small ones by git's SHA-1 of the blob."""

    path: str
    size: int
    git_sha1: str
    sha256: str | None


@dataclass(frozen=True)
class Found:
    """A need, as the hub has it."""

    need: Need
    commit: str
    licence: str
    is_gated: bool
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """For --json, but the files."""
        need = self.need
        return {
            "repo": need.repo,
            "type": need.type,
            "revision": need.revision,
            "commit": self.commit,
            "licence": self.licence,
            "gated": self.is_gated,
            "bytes": self.size,
            "files": len(self.files),
            "subsets": list(need.subsets),
            "patterns": list(need.patterns),
            "why": list(need.why),
        }


def look_up(needs: Sequence[Need]) -> tuple[Found, ...]:
    """Ask the hub about each need.

    Raises:
        InputError: what the hub does not have, or does not show; all of them, and all that is gated, in one message each;
            an address where no hub answers.
        WorkError: the hub fails, or says what no hub says: a path that leads out of a folder, a file without a hash.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub_endpoint())
    found: list[Found] = []
    closed: list[str] = []
    unknown: list[str] = []
    for need in needs:
        try:
            found.append(_look(api, need))
        except _ClosedError:
            closed.append(need.repo)
        except _UnknownError as error:
            unknown.append(f"{need.repo} ({', '.join(need.why)}): {error}")
    if unknown:
        raise InputError(
            f"{hub_name()} does not have: " + "; ".join(unknown),
            hint="check the names; private ones need a token (hf auth login, or HF_TOKEN)",
        )
    if closed:
        pages = ", ".join(f"{hub_name()}/{name}" for name in closed)
        raise InputError(
            f"gated, and not open to you: {', '.join(closed)}",
            hint=f"accept the terms on {pages}, then `hf auth login` (or set HF_TOKEN) and run this again",
        )
    return tuple(found)


class _ClosedError(Exception):
    """A repository that is gated, and not for whoever asks."""


class _UnknownError(Exception):
    """No such repository, revision, subset or file."""


def _look(api: HfApi, need: Need) -> Found:
    info = _ask(api, need)
    files = {file.path: file for file in map(_remote_file, info.siblings or ())}
    commit = str(info.sha)
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise _no_hub(f"the commit of {need.repo} is {commit[:60]!r}")
    chosen = _of_model(need, files) if need.type == "model" else _of_set(need, commit, files)
    return Found(need, commit, _licence(info), bool(info.gated), tuple(files[path] for path in sorted(chosen)))


def _ask(api: HfApi, need: Need) -> Any:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        ask = api.model_info if need.type == "model" else api.dataset_info
        info = ask(need.repo, revision=need.revision, files_metadata=True)
        if info.gated:
            api.auth_check(need.repo, repo_type=need.type)
        return info
    except HFValidationError as error:
        raise _UnknownError("no such folder here, and no name that a repository of the hub can have") from error
    except GatedRepoError as error:
        raise _ClosedError from error
    except RepositoryNotFoundError as error:
        raise _UnknownError(f"no such {need.type}, or a private one") from error
    except RevisionNotFoundError as error:
        raise _UnknownError(f"no revision {need.revision}") from error
    except HfHubHTTPError as error:
        raise WorkError(f"{hub_name()} failed at {need.repo}: {said_by(error)}", hint="run this again later") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a page for people, or other JSON
        raise _no_hub(f"asked for {need.repo} it sends no facts of a repository") from error
    except Exception as error:  # of the library underneath: a connection that broke, and broke again
        raise WorkError(
            f"{hub_name()} could not be asked for {need.repo} ({said_by(error)})", hint="run this again later"
        ) from error


def said_by(error: Exception) -> str:
    """The kind of a library's error and the first line of what it says."""
    return shown(safe_to_show(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"))


def _no_hub(found: str) -> InputError:
    return InputError(f"{hub_name()} does not answer as a hub does: {found}", hint="check HF_ENDPOINT, and the proxy")


def _remote_file(one: Any) -> RemoteFile:
    """Of what the hub says of a file. Raises WorkError where its path may not be written, or its bytes could not be compared."""
    path, sha256 = str(one.rfilename), one.lfs.sha256 if one.lfs is not None else None
    if not stays_inside(path):
        raise WorkError(
            f"{hub_name()} names a file {path!r}, which leads out of a repository; nothing was downloaded",
            hint="do not fetch from there: check HF_ENDPOINT",
        )
    if not isinstance(one.size, int) or one.size < 0 or not (sha256 or one.blob_id):
        raise WorkError(
            f"{hub_name()} does not say how large {path} is, or what its hash is, so it could not be compared",
            hint="fetch from a mirror that does, or from the hub itself",
        )
    return RemoteFile(path, one.size, str(one.blob_id), sha256)


def _of_model(need: Need, files: Mapping[str, RemoteFile]) -> set[str]:
    patterns = [*TOKENIZER_FILES, *PAPERS, *(WEIGHTS if need.weights else ()), *(("*.py",) if need.code else ())]
    chosen = {path for path in files if _matches(path, patterns) and not _matches(path, NOT_READ)}
    if need.weights and not any(_matches(path, WEIGHTS) for path in chosen):
        others = [path for path in files if path.endswith((".bin", ".pt", ".pth", ".gguf", ".safetensors"))]
        raise _UnknownError(f"it has no model.safetensors; it holds {', '.join(sorted(others)[:4]) or 'no weights'}")
    if need.weights and "config.json" not in chosen:
        raise _UnknownError("it has weights and no config.json, without which no library reads them")
    if missing := _missing_parts(chosen):
        raise _UnknownError(f"weights in parts, of which it lacks {', '.join(missing[:4])}")
    if not any(_matches(path, TOKENIZER_FILES) for path in chosen):
        raise _UnknownError("it has neither a config nor a tokenizer")
    return chosen


def _missing_parts(paths: set[str]) -> list[str]:
    """By the names of those that are there.

    >>> _missing_parts({"model-00002-of-00002.safetensors", "config.json"})
    ['model-00001-of-00002.safetensors']
    """
    parts = [match for path in paths if (match := _PART.fullmatch(path))]
    whole = {
        f"{m[1]}-{number:05d}-of-{m[2]}{m[3]}" for m in parts for number in range(1, min(int(m[2]), MAX_PARTS) + 1)
    }
    return sorted(whole - paths)


def _of_set(need: Need, commit: str, files: Mapping[str, RemoteFile]) -> set[str]:
    chosen = {path for path in files if _matches(path, PAPERS)}
    for pattern in need.patterns:
        matching = set(_globbed(files, pattern))
        if not matching:
            raise _UnknownError(f"no file {pattern}")
        chosen |= matching
    for subset in need.subsets:
        chosen |= _files_of_subset(need.repo, subset, commit)
    return chosen


def _files_of_subset(repo: str, subset: str, commit: str) -> set[str]:
    """The files that the `datasets` library would read for all splits of a subset."""
    import datasets

    try:
        builder = datasets.load_dataset_builder(repo, subset or None, revision=commit)
    except Exception as error:  # it raises some twenty kinds, all of which mean: not to be had
        raise _UnknownError(f"subset {subset or 'default'} cannot be had ({said_by(error)})") from error
    prefix = f"hf://datasets/{repo}@{commit}/"
    paths = [str(path) for of_split in (builder.config.data_files or {}).values() for path in of_split]
    if not paths or any(not path.startswith(prefix) for path in paths):
        raise _UnknownError(f"subset {subset or 'default'} is not made of files of its own; name hub_files")
    return {path.removeprefix(prefix) for path in paths}


def _globbed(paths: Mapping[str, RemoteFile], pattern: str) -> Iterator[str]:
    from fsspec.utils import glob_translate  # the rules of hf:// paths, in which `**` is any number of folders

    expression = re.compile(glob_translate(pattern))
    return (path for path in paths if expression.match(path))


def _matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path is as one of the patterns says, from its beginning on: `*.json` are those of the top alone."""
    return any(PurePosixPath(f"/{path}").match(f"/{pattern}") for pattern in patterns)


def _licence(info: Any) -> str:
    card = info.card_data
    named = card.get("license") if card is not None else None
    if isinstance(named, list):
        named = ", ".join(map(str, named))
    if named in (None, "other") and card is not None:
        named = card.get("license_name") or named
    tags = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    return shown(str(named or next(iter(tags), "not stated")))
