"""`qaz export --to hub`: a model's folder pushed to a Hugging Face hub, after a look at what would become known by it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.data.licence_names import UNKNOWN
from qaz_llm.errors import InputError, WorkError
from qaz_llm.io import read_json, sha256_of
from qaz_llm.io.machine import paths_in
from qaz_llm.io.secrets import safe_to_show
from qaz_llm.model.card import stated_licence
from qaz_llm.model.folder import check_model_folder
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_logger = get_logger("model")

TOKEN_VARIABLE = "HF_TOKEN"
CARD = "README.md"
REPO_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy")
"""Ends of names of files that run code when they are read, or may."""
TOKENS = ("tokenizer.json", "vocab.json", "extension.json", "added_tokens.json")
"""Files of tokens, where what looks like a path is one."""
CARD_LINES = 12


@dataclass(frozen=True)
class HubFile:
    """A file that would be pushed; `sha256` as the hub shows it for large files."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Push:
    """What is pushed where. `card` are the first lines of the model card."""

    repo_id: str
    private: bool
    licence: str
    files: tuple[HubFile, ...]
    card: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files)


def plan_push(folder: Path, repo_id: str, *, private: bool = True) -> Push:
    """What a push of `folder` would make known; nothing leaves the machine.

    Raises:
        InputError: the folder holds no whole model, a pickle, a path of this machine, or no card that states a licence.
    """
    if not REPO_ID.fullmatch(repo_id):
        raise InputError(
            f"{repo_id}: no id of a model on the hub", hint="OWNER/NAME, with letters, digits, dots and hyphens"
        )
    check_model_folder(folder)
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    _refuse_pickles(paths)
    _refuse_paths(paths)
    licence = stated_licence(folder)
    if licence == UNKNOWN:
        raise InputError(
            f"{folder / CARD}: states no known licence, and a model without one may be used by nobody",
            hint="find out the licences of base and data, and write `license:` into its front matter",
        )
    files = tuple(HubFile(str(p.relative_to(folder)), p.stat().st_size, sha256_of(p)) for p in paths)
    card = (folder / CARD).read_text(encoding="utf-8").splitlines()
    return Push(repo_id, private, licence, files, tuple(line for line in card if line.strip())[:CARD_LINES])


def push(folder: Path, plan: Push) -> str:
    """Push what was planned, in one commit; the address of the commit. The token is read from HF_TOKEN and named nowhere.

    Raises:
        InputError: no token, one that is refused, or a repository that is public where a private one was asked for.
        WorkError: the hub cannot be reached or fails; nothing of the commit is there then.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise InputError(
            f"a push needs a token in the environment, {TOKEN_VARIABLE} is not set",
            hint=f"make one that may write, and run: {TOKEN_VARIABLE}=… qaz export … --to hub; --dry-run needs none",
        )
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", ""):
        raise InputError("HF_HUB_OFFLINE is set, so nothing is pushed", hint="unset it for this command")
    api = HfApi(token=token)
    try:
        _make_repository(api, plan)
        operations = [CommitOperationAdd(file.name, folder / file.name) for file in plan.files]
        made = api.create_commit(plan.repo_id, operations, commit_message="A model made with qaz-llm")
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise _refused(plan, safe_to_show(api.endpoint), status, str(error.server_message or "")) from None
    except (OSError, _network_error()) as error:
        raise WorkError(
            f"{safe_to_show(api.endpoint)}: the hub cannot be reached ({type(error).__name__}); nothing was pushed",
            hint="look at the network and HF_ENDPOINT, or carry the folder over: it is whole as it is",
        ) from None
    return safe_to_show(str(made.commit_url))


def _network_error() -> type[Exception]:
    """What huggingface_hub's client raises where there is no network: of httpx, under whichever name it is installed."""
    from huggingface_hub.utils import _http

    client: Any = getattr(_http, "httpx", None) or getattr(_http, "httpx2", None)
    error: type[Exception] = client.TransportError
    return error


def _make_repository(api: HfApi, plan: Push) -> None:
    """Create the repository where it is missing. Raises InputError where it is there and public against what was asked for."""
    api.create_repo(plan.repo_id, private=plan.private, exist_ok=True)
    if plan.private and not api.model_info(plan.repo_id).private:
        raise InputError(
            f"{plan.repo_id}: is there already, and public", hint="name another, or say --public if all may see it"
        )


def _refused(plan: Push, endpoint: str, status: int, message: str) -> InputError | WorkError:
    said = f"{endpoint} answered {status}" + (f": {message[:200]}" if message else "")
    if status in (401, 403):
        return InputError(
            f"{plan.repo_id}: {said}; nothing was pushed", hint=f"the token in {TOKEN_VARIABLE} may not write there"
        )
    return WorkError(f"{plan.repo_id}: {said}; nothing was pushed", hint="try again later")


def _refuse_pickles(paths: Sequence[Path]) -> None:
    pickles = [path.name for path in paths if path.suffix in PICKLES or _begins_as_pickle(path)]
    if pickles:
        raise InputError(
            f"{paths[0].parent}: holds {', '.join(pickles)}, which can run code where they are read",
            hint="push a folder that `qaz export` wrote: it has safetensors and JSON alone",
        )


def _begins_as_pickle(path: Path) -> bool:
    """Protocols 2 to 5 begin with 0x80 and their number; torch's archives are zip files."""
    with path.open("rb") as file:
        begin = file.read(4)
    return begin[:2] in {b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"} or begin == b"PK\x03\x04"


def _refuse_paths(paths: Sequence[Path]) -> None:
    found = [(path.name, one) for path in paths for one in _paths_of(path)]
    if found:
        name, one = found[0]
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise InputError(
            f"{name}: holds a path of a machine, {one}{more}", hint="take it out: it tells of people and machines"
        )


def _paths_of(path: Path) -> Iterator[str]:
    if path.name in TOKENS:
        return
    if path.suffix == ".json":
        value = read_json(path)
        yield from paths_in(
            {k: v for k, v in value.items() if k != "chat_template"} if isinstance(value, dict) else value
        )
    elif path.suffix in (".md", ".yaml", ".yml", ".txt"):
        yield from paths_in(path.read_text(encoding="utf-8"))
