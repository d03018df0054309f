"""A hub of models and data sets on this machine, which answers as huggingface_hub 2 and datasets 5 ask it.

It serves what they call for a download: repository facts with the hashes of all files, trees, paths, files by range, access
checks; errors with the headers by which the libraries tell them apart.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".parquet")
"""Files that are kept in Git LFS, and known by their SHA-256."""


@dataclass
class Repo:
    """A repository at one commit."""

    files: dict[str, bytes]
    licence: str | None = "apache-2.0"
    gated: str | bool = False
    is_open: bool = True
    """Whether who asks has been given access."""
    commit: str = ""

    def __post_init__(self) -> None:
        if not self.commit:
            self.commit = hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()


@dataclass
class FakeHub:
    """`repos` by type and id, as ("models", "org/name"). What it did and what it shall do wrong can be set by a test."""

    repos: dict[tuple[str, str], Repo]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    ranges: list[int] = field(default_factory=list)
    """Of files that are cut, where each sending began."""
    cut_after: dict[str, int] = field(default_factory=dict)
    """Of a file so many bytes are sent, each time, before the connection is closed."""
    corrupt: set[str] = field(default_factory=set)
    """Files of which other bytes are sent than their hashes say."""
    page: bytes | None = None
    """What is answered to everything, with 200, by a proxy that wants a person to sign in."""


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def serve(repos: dict[tuple[str, str], Repo]) -> Iterator[FakeHub]:
    """A hub at `url` while the block runs."""
    hub = FakeHub(repos)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def do_POST(self) -> None:
            self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self._answer(has_body=True)

        def _answer(self, *, has_body: bool) -> None:
            self.has_body = has_body
            split = urlsplit(self.path)
            path, self.query = unquote(split.path), parse_qs(split.query)
            hub.requests.append(f"{self.command} {path}")
            if hub.page is not None:
                self._send(200, hub.page, {"Content-Type": "text/html"})
            elif path == "/":
                self._json({})
            elif path.startswith("/api/"):
                self._api(path.removeprefix("/api/"))
            elif "/resolve/" in path:
                self._file(path)
            else:
                self._error(404, "RepoNotFound")

        def _api(self, path: str) -> None:
            kind, owner, name, *rest = [*path.split("/"), "", ""]
            repo = hub.repos.get((kind, f"{owner}/{name}"))
            if repo is None:
                self._error(404, "RepoNotFound")
                return
            what, *rest = rest
            if what == "auth-check":
                self._json({}) if repo.is_open else self._error(403, "GatedRepo")
            elif what == "revision" and rest[0] not in ("main", repo.commit):
                self._error(404, "RevisionNotFound")
            elif what in ("", "revision"):
                self._json(_facts(f"{owner}/{name}", repo))
            elif what == "tree":
                folder = "/".join(part for part in rest[1:] if part)
                self._json(_tree(repo, folder, recursive=self.query.get("recursive", [""])[0].lower() == "true"))
            elif what == "paths-info":
                asked = self._paths()
                self._json([_entry(p, data) for p, data in repo.files.items() if p in asked])
            else:
                self._error(404, "EntryNotFound")

        def _paths(self) -> list[str]:
            try:
                return list(json.loads(self._body)["paths"])
            except ValueError:
                return parse_qs(self._body)["paths"]

        def _file(self, path: str) -> None:
            kind = "datasets" if path.startswith("/datasets/") else "models"
            name, _, rest = path.removeprefix("/datasets").removeprefix("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            repo = hub.repos.get((kind, name))
            if repo is None:
                self._error(404, "RepoNotFound")
            elif not repo.is_open:
                self._error(403, "GatedRepo")
            elif revision not in ("main", repo.commit):
                self._error(404, "RevisionNotFound")
            elif file not in repo.files:
                self._error(404, "EntryNotFound", repo)
            else:
                self._send_file(file, repo)

        def _send_file(self, file: str, repo: Repo) -> None:
            data = repo.files[file]
            etag = sha256(data) if file.endswith(LARGE) else git_sha1(data)
            if file in hub.corrupt:
                data = bytes(len(data))
            wanted = self.headers.get("Range", "")
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", repo.commit)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data) - start))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if not self.has_body:
                return
            limit = hub.cut_after.get(file)
            if limit is None:
                self.wfile.write(data[start:])
                return
            hub.ranges.append(start)
            self.wfile.write(data[start : start + limit])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()

        def _json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _error(self, status: int, code: str, repo: Repo | None = None) -> None:
            commit = {"X-Repo-Commit": repo.commit} if repo is not None else {}
            self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code, **commit})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.has_body:
                self.wfile.write(body)

    return Handler


def _facts(name: str, repo: Repo) -> dict[str, Any]:
    siblings = []
    for path, data in repo.files.items():
        lfs = {"lfs": {"size": len(data), "sha256": sha256(data), "pointerSize": 134}} if path.endswith(LARGE) else {}
        siblings.append({"rfilename": path, "size": len(data), "blobId": git_sha1(data), **lfs})
    return {
        "id": name, "sha": repo.commit, "private": False, "gated": repo.gated, "tags": [], "siblings": siblings,
        "cardData": {"license": repo.licence} if repo.licence else {},
        "downloads": 0, "likes": 0,
    }  # fmt: skip


def _entry(path: str, data: bytes) -> dict[str, Any]:
    lfs = {"lfs": {"size": len(data), "oid": sha256(data), "pointerSize": 134}} if path.endswith(LARGE) else {}
    return {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data), **lfs}


def _tree(repo: Repo, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{folder}/" if folder else ""
    below = {path: data for path, data in repo.files.items() if path.startswith(prefix)}
    parents = {str(parent) for path in below for parent in PurePosixPath(path).parents}
    folders = sorted(path for path in parents if path.startswith(prefix) and path not in (".", folder))
    entries = [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders]
    entries += [_entry(path, data) for path, data in below.items()]
    return entries if recursive else [one for one in entries if "/" not in one["path"].removeprefix(prefix)]
