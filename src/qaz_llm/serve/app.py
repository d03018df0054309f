"""The addresses of a gateway. An engine's own ones (loading and unloading models, metrics) lead nowhere from here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx2
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.facts import ModelFacts
from qaz_llm.serve.fields import check_model
from qaz_llm.serve.gateway import Gateway
from qaz_llm.serve.keys import Keys
from qaz_llm.serve.labelling import HEADERS, AnswerLabels
from qaz_llm.serve.outgoing import WrittenBy
from qaz_llm.serve.reaching import trusted_certificates
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.workers import Workers

CONNECT_S = 5.0
READ = ["GET", "HEAD"]


def make_app(config: ServeConfig, facts: ModelFacts, keys: Keys, labels: AnswerLabels) -> FastAPI:
    """The application; its engines are started when it is, and end with it."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    timeout = httpx2.Timeout(None, connect=CONNECT_S)  # a request as a whole has its time in `Asking`

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        verify = trusted_certificates()
        async with httpx2.AsyncClient(limits=limits, timeout=timeout, trust_env=False, verify=verify) as client:
            workers = Workers(config, facts, client)
            app.state.gateway = Gateway(config, facts, keys, labels, workers, client)
            try:
                await workers.start()
                yield
            finally:
                await workers.stop()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    began = int(time.time())

    def ask(request: Request, *, is_chat: bool) -> Response:
        gateway: Gateway = request.app.state.gateway
        return WrittenBy(partial(gateway.answer, request, is_chat=is_chat), config.limits.client_s)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return ask(request, is_chat=True)

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return ask(request, is_chat=False)

    def of_models(request: Request, name: str | None) -> Response:
        gateway: Gateway = request.app.state.gateway
        try:
            gateway.keys.who(request.headers.get("authorization"))
            if name is not None:
                check_model(name, config.name)
        except Refused as refused:
            return JSONResponse(refused.body(), refused.status, headers={**HEADERS, **refused.headers()})
        model = {"id": config.name, "object": "model", "created": began, "owned_by": "qaz-llm"}
        model = {**model, "context_length": facts.window_tokens}
        return JSONResponse({"object": "list", "data": [model]} if name is None else model)

    @app.api_route("/v1/models", methods=READ)
    async def models(request: Request) -> Response:
        return of_models(request, None)

    @app.api_route("/v1/models/{name:path}", methods=READ)
    async def model(request: Request, name: str) -> Response:
        return of_models(request, name)

    @app.api_route("/health", methods=READ)
    async def health(request: Request) -> Response:
        gateway: Gateway = request.app.state.gateway
        state = gateway.workers.state()
        try:
            gateway.labels.check(0)
        except Refused as refused:
            return JSONResponse({"status": refused.code, **state}, 503)
        is_well = state["up"] > 0
        whole = "ok" if state["up"] == state["engines"] else "degraded"
        return JSONResponse({"status": whole if is_well else "engine_down", **state}, 200 if is_well else 503)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def nowhere(request: Request, _error: Exception) -> Response:
        refused = Refused(404, f"there is no {request.method} {request.url.path} here", code="unknown_url")
        return JSONResponse(refused.body(), 404, headers=dict(HEADERS))

    return app
