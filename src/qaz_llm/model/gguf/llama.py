"""A real llama.cpp to ask: started on a GGUF file, ended with the block."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.errors import WorkError

LIBRARY = "xllamacpp"
ANSWER_S = 600.0


@dataclass(frozen=True)
class Llama:
    """A server of llama.cpp at `address`, an http URL on loopback."""

    address: str

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request, as JSON values."""
        request = urllib.request.Request(
            self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def ids(self, text: str, *, special: bool = False) -> list[int]:
        """The token ids of a text; with `special` those that begin and end every text, too."""
        return list(self.ask("/tokenize", {"content": text, "add_special": special})["tokens"])


def has_llama() -> bool:
    """Whether a llama.cpp is installed here."""
    return importlib.util.find_spec(LIBRARY) is not None


@contextmanager
def serving(file: Path) -> Iterator[Llama]:
    """A llama.cpp with the model in `file`. Raises WorkError, with its last words, where it does not load it."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "qaz_llm.model.gguf.llama_process", str(file)]
    with (
        tempfile.TemporaryFile("w+") as said,  # a file, since nobody reads while the server answers
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            if not address.startswith("http"):
                said.seek(0)
                raise WorkError(f"llama.cpp does not load {file.name}: {said.read()[-500:].strip()}")
            yield Llama(address)
        finally:
            server.kill()
