"""A hub on loopback that speaks as much of the Hugging Face hub's protocol as a push of huggingface_hub needs, and keeps what it got."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "hf_testtokenthatmayneverbeseen"


@dataclass
class Hub:
    """What it holds: visibility and files by repository; `asked` are the requests in order; `fail_commit` breaks the last."""

    address: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fail_commit: bool = False


@contextmanager
def hub_on_loopback() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def answer(self, value: Any, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def allowed(self) -> bool:
            hub.asked.append(f"{self.command} {self.path}")
            if self.headers.get("Authorization") in (f"Bearer {TOKEN}", None) or "/large/" in self.path:
                return True
            self.answer({"error": "Invalid username or password."}, 401)
            return False

        def do_GET(self) -> None:
            if self.allowed():
                name = self.path.removeprefix("/api/models/").partition("?")[0]
                known = name in hub.private
                self.answer(
                    {"id": name, "private": hub.private[name]} if known else {"error": "not found"},
                    200 if known else 404,
                )

        def do_PUT(self) -> None:
            hub.asked.append(f"PUT {self.path}")
            hub.large[self.path.rpartition("/")[2]] = self.body()
            self.answer({})

        def do_POST(self) -> None:
            body = self.body()
            if not self.allowed():
                return
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
                if name in hub.private:
                    self.answer({"error": "exists", "url": f"{hub.address}/{name}"}, 409)
                    return
                hub.private[name] = asked.get("visibility") == "private"
                self.answer({"url": f"{hub.address}/{name}", "name": name})
            elif self.path == "/api/validate-yaml":
                self.answer({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                files = [
                    {
                        "path": f["path"],
                        "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular",
                        "shouldIgnore": False,
                    }
                    for f in json.loads(body)["files"]
                ]
                self.answer({"files": files})
            elif self.path.endswith("/info/lfs/objects/batch"):
                objects = [
                    {**one, "actions": {"upload": {"href": f"{hub.address}/large/{one['oid']}"}}}
                    for one in json.loads(body)["objects"]
                ]
                self.answer({"transfer": "basic", "objects": objects})
            elif "/commit/" in self.path and not hub.fail_commit:
                self.commit(self.path.removeprefix("/api/models/").partition("/commit/")[0], body)
            else:
                self.answer({"error": "broken on purpose"}, 500 if hub.fail_commit else 404)

        def commit(self, name: str, body: bytes) -> None:
            for line in body.decode().splitlines():
                one = json.loads(line)
                if one["key"] == "file":
                    hub.files.setdefault(name, {})[one["value"]["path"]] = base64.b64decode(one["value"]["content"])
                elif one["key"] == "lfsFile":
                    hub.files.setdefault(name, {})[one["value"]["path"]] = hub.large[one["value"]["oid"]]
            self.answer({"success": True, "commitUrl": f"{hub.address}/{name}/commit/abc", "commitOid": "a" * 40})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
