"""A small OpenAI-compatible server over a model in memory, with faults on demand: what the server tests ask.

Its answers are greedy by a plain loop over the model's logits, without the code under test.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


class ModelServer:
    """`faults`: for each of the next requests None, a status, (status, headers), "disconnect" or "cut"."""

    def __init__(self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.faults: list[Any] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.refused: tuple[str, ...] = ()
        self.has_echo = True
        self.lock = threading.Lock()
        self.at_once = self.most_at_once = 0
        self.url = ""

    def greedy(self, text: str, max_tokens: int, stop: Sequence[str]) -> tuple[str, str, int]:
        ids = [self.tokenizer.bos_token_id, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]
        if text.startswith("<|"):
            ids = ids[1:]
        made: list[int] = []
        with torch.inference_mode():
            while len(made) < max_tokens and len(ids) + len(made) < self.model.config.max_position_embeddings:
                logits = self.model(input_ids=torch.tensor([ids + made])).logits
                made.append(int(logits[0, -1].argmax()))
                said = self.tokenizer.decode(made, skip_special_tokens=True)
                if made[-1] == self.tokenizer.eos_token_id:
                    return said, "stop", len(made)
                if found := [said.index(s) for s in stop if s in said]:
                    return said[: min(found)], "stop", len(made)
        return self.tokenizer.decode(made, skip_special_tokens=True), "length", len(made)

    def echo(self, text: str) -> dict[str, Any]:
        ids = [self.tokenizer.bos_token_id, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]
        with torch.inference_mode():
            logprobs = self.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        values = [None, *(float(logprobs[n, token]) for n, token in enumerate(ids[1:]))]
        last = int(logprobs[-1].argmax())
        return {
            "tokens": [self.tokenizer.decode([token]) for token in [*ids, last]],
            "token_logprobs": [*values, float(logprobs[-1, last])],
        }

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path not in ("/v1/chat/completions", "/v1/completions") or body["model"] != "tiny":
            return 404, {"error": {"message": f"no model {body['model']} at {path}"}}
        is_chat = path.endswith("/chat/completions")
        text = (
            self.tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
            if is_chat
            else body["prompt"]
        )
        if any(word in text for word in self.refused):
            return 400, {"error": {"message": "filtered"}}
        if body.get("echo") and self.has_echo:
            choice = {"text": text, "finish_reason": "length", "logprobs": self.echo(text)}
            return 200, {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
        said, reason, tokens = self.greedy(text, body["max_tokens"], body.get("stop") or ())
        choice = {"finish_reason": reason, **({"message": {"content": said}} if is_chat else {"text": said})}
        prompt_tokens = len(self.tokenizer(text)["input_ids"])
        return 200, {"choices": [choice], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": tokens}}


@contextmanager
def serving(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Iterator[ModelServer]:
    """The server at a free port of this machine, until the block ends; `url` ends in /v1."""
    served = ModelServer(model, tokenizer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                served.bodies.append(body)
                served.keys.append(self.headers.get("Authorization"))
                fault = served.faults.pop(0) if served.faults else None
                served.at_once += 1
                served.most_at_once = max(served.most_at_once, served.at_once)
            self._reply(fault, body)

        def _reply(self, fault: Any, body: dict[str, Any]) -> None:
            """The client may send its next request as soon as this one's reply is out, so it is counted off before."""
            status, headers, content = self._made(fault, body)
            with served.lock:
                served.at_once -= 1
            if fault == "disconnect":
                self.connection.close()
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)

        def _made(self, fault: Any, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
            headers: dict[str, str] = {}
            if isinstance(fault, tuple):
                fault, headers = fault
            if isinstance(fault, int):
                status, answer = fault, {"error": {"message": "as the test wants"}}
            else:
                status, answer = served.answer(self.path, body)
            return status, headers, json.dumps(answer).encode()

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{httpd.server_address[1]}/v1"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
