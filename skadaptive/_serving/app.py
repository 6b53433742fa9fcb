"""The application of one worker: endpoints, limits, and the exchange of the model."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

from .._version import __version__
from . import metrics
from .model import MOST_EXPLAINED, ServedModel, ServerSettings
from .recent import RecentRows
from .rows import RowsRefused, problem

# Seconds between two looks at the model file.
_LOOK = 1.0
# A body that is too great is read on to this multiple of the limit, without being kept:
# a client that is still sending would not see the answer.
_DRAINED = 10
_ENDPOINTS = ("/predict", "/health", "/metrics", "/schema", "/docs", "/openapi.json")
_VALUES = {"type": ["number", "string", "boolean", "null"]}
_ROW = {"type": "object", "additionalProperties": _VALUES}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["rows"],
                "additionalProperties": False,
                "properties": {
                    "rows": {"type": "array", "minItems": 1, "items": _ROW},
                    "reasons": {"type": "integer", "minimum": 0, "default": 0},
                },
            }
        },
        "text/csv": {"schema": {"type": "string"}},
    },
}
_ANSWER = {
    "type": "object",
    "properties": {
        "model_version": {"type": "string"},
        "threshold": {"type": ["number", "null"]},
        "predictions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "probability": {"type": "number"},
                    "decision": {"type": ["string", "number", "boolean"]},
                    "reasons": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "warnings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "column": {"type": ["string", "null"]},
                    "kind": {"type": "string"},
                    "rows": {"type": "integer"},
                    "msg": {"type": "string"},
                },
            },
        },
    },
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": _ANSWER}}},
    401: {"description": "The bearer token is absent or wrong."},
    413: {"description": "The body has too many bytes or rows."},
    415: {"description": "The body is neither JSON nor CSV."},
    422: {"description": "The rows are not as in training; names the column."},
}

logger = logging.getLogger("uvicorn.error")


class Worker:
    """The model of one process, and the rows that are answered with it.

    Parameters
    ----------
    settings : ServerSettings
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._seen = self._signature()
        self.model, self.recent = self._load()
        metrics.WORKERS.labels(self.model.version).set(1)

    def _load(self) -> tuple[ServedModel, RecentRows]:
        model = ServedModel.load(self.settings)
        model.warm_up()
        recent = RecentRows(self._path(model.version), len(model.bins.names) + 2)
        metrics.LOADS.labels("ok").inc()
        return model, recent

    def _path(self, version: str) -> Path:
        """File of the last rows that were answered with a version of the model."""
        return Path(self.settings.folder, f"recent-{version}")

    def _signature(self) -> tuple[int, ...] | None:
        """What changes when the model file is replaced."""
        try:
            found = os.stat(self.settings.model)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def reload(self) -> None:
        """Read the model file again; the model stays if the file is no good."""
        before = self.model.version
        try:
            # Requests go on with the old one until both are exchanged at once.
            model, recent = self._load()
        except Exception as error:
            metrics.LOADS.labels("failed").inc()
            logger.error("The model stays %s: %s", before, error)
            return
        self.model, self.recent = model, recent
        metrics.WORKERS.labels(before).set(0)
        metrics.WORKERS.labels(model.version).set(1)
        if model.version != before:
            self._path(before).unlink(missing_ok=True)
        logger.info("The model %s has replaced %s.", model.version, before)

    async def watch(self, asked: asyncio.Event) -> None:
        """Reload when asked to, and when the file has changed and is left alone."""
        changed = None
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), _LOOK)
            now = self._signature()
            if asked.is_set() or (now == changed and now not in (None, self._seen)):
                asked.clear()
                self._seen = now
                await asyncio.to_thread(self.reload)
            changed = now

    def answer(self, body: bytes, is_csv: bool, n_reasons: int | None) -> bytes:
        """The answer to a request, as JSON.

        Parameters
        ----------
        body : bytes
        is_csv : bool
        n_reasons : int or None
            None is what the body says.

        Raises
        ------
        HTTPException, RowsRefused
        """
        # One look at each: they may be exchanged in between.
        model, recent = self.model, self.recent
        if is_csv:
            rows, notes = model.reader.of_csv(body)
        else:
            given, asked = _json_rows(body)
            n_reasons = asked if n_reasons is None else n_reasons
            self._check_rows(len(given))
            rows, notes = model.reader.of_json(given)
        self._check_rows(len(rows))
        if n_reasons and len(rows) > MOST_EXPLAINED:
            raise HTTPException(
                413,
                f"Reasons are given for at most {MOST_EXPLAINED} rows of a request; it "
                f"has {len(rows):,}. Ask for them in several requests.",
            )
        unseen = model.reader.seen.unseen(rows)
        if unseen and self.settings.strict:
            raise RowsRefused(
                [
                    problem(found.msg, "rows", int(found.rows[0]), found.column)
                    | {"type": f"unseen_{found.kind}"}
                    for found in unseen
                ]
            )
        try:
            probability = model.probability(rows)
            is_rare = model.decide(rows, probability)
            labels = model.labels(rows, is_rare)
            reasons = model.reasons(rows, n_reasons) if n_reasons else None
        except ValueError as error:
            msg = f"The model refuses these rows: {error}"
            raise RowsRefused([problem(msg)]) from error
        recent.add(model.bins.codes(rows, probability, is_rare))
        metrics.count_rows(len(rows), int(np.sum(is_rare)), unseen)
        predictions = [
            {"probability": p, "decision": label}
            for p, label in zip(probability.tolist(), labels, strict=True)
        ]
        for prediction, texts in zip(predictions, reasons or [], strict=False):
            prediction["reasons"] = texts
        warnings = [
            {"column": u.column, "kind": u.kind, "rows": len(u.rows), "msg": u.msg}
            for u in unseen
        ]
        warnings += [
            {"column": None, "kind": "note", "rows": len(rows), "msg": note}
            for note in notes
        ]
        found = {
            "model_version": model.version,
            "threshold": model.threshold,
            "predictions": predictions,
            "warnings": warnings,
        }
        return json.dumps(found, separators=(",", ":"), allow_nan=False).encode()

    def _check_rows(self, n_rows: int) -> None:
        if n_rows > self.settings.max_rows:
            raise HTTPException(
                413,
                f"A request may have {self.settings.max_rows:,} rows; this one has "
                f"{n_rows:,}. Send it in parts, or raise --max-rows.",
            )


def _json_rows(body: bytes) -> tuple[list[Any], int]:
    """Rows of a body, and how many reasons it asks for."""
    try:
        content = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        msg = f"The body is not valid JSON: {reason}."
        raise RowsRefused([problem(msg, kind="json_invalid")]) from error
    if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
        msg = 'The body must be an object with a list of rows: {"rows": [{…}, …]}.'
        raise RowsRefused([problem(msg, "rows", kind="rows_absent")])
    extra = sorted(content.keys() - {"rows", "reasons"})
    if extra:
        msg = f"The body may have the keys rows and reasons; not {extra[0][:60]}."
        raise RowsRefused([problem(msg, extra[0][:60], kind="key_unknown")])
    if not content["rows"]:
        msg = "rows is empty: send at least one row."
        raise RowsRefused([problem(msg, "rows", kind="rows_empty")])
    n_reasons = content.get("reasons", 0)
    if type(n_reasons) is not int or n_reasons < 0:
        msg = f"reasons must be a number of reasons, from 0 on; got {n_reasons!r:.60}."
        raise RowsRefused([problem(msg, "reasons", kind="value_kind")])
    return content["rows"], n_reasons


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no value of JSON; send null for a missing value")


class _Counted:
    """Counts each request, whatever its answer is, and its time."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            path = scope["path"]
            endpoint = path if path in _ENDPOINTS else "other"
            metrics.count_request(endpoint, status, time.perf_counter() - start)


async def _read_body(request: Request, most: int) -> bytes:
    """The body, unless it is too great."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            parts.append(part)
        elif size > _DRAINED * most:
            break
    if size > most:
        raise HTTPException(
            413,
            f"A request may have {most:,} bytes; this one has more. Send the rows in "
            "parts, or raise --max-megabytes.",
        )
    return b"".join(parts)


def _is_csv(request: Request) -> bool:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind, parameters = kind.strip().lower(), parameters.lower()
    if kind not in ("application/json", "text/csv"):
        raise HTTPException(
            415,
            "The body must be of the type application/json or text/csv; its "
            f"Content-Type is {kind[:60] or 'absent'}.",
        )
    charset = parameters.partition("charset=")[2].strip(" \"'")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise HTTPException(415, f"The body must be in UTF-8; it is in {charset[:60]}.")
    return kind == "text/csv"


def make_app(settings: ServerSettings) -> Any:
    """Load the model and make the application; called once in each worker.

    Parameters
    ----------
    settings : ServerSettings

    Returns
    -------
    ASGI application
    """
    worker = Worker(settings)
    # One thread each: predictions hold the interpreter, so that more would only wait
    # for each other. Reasons take long and must not keep predictions waiting.
    lanes = {name: ThreadPoolExecutor(1, name) for name in ("predict", "explain")}

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, asked.set)
        watching = asyncio.create_task(worker.watch(asked))
        yield
        watching.cancel()
        for lane in lanes.values():
            lane.shutdown(cancel_futures=True)

    app = FastAPI(
        title="skadaptive",
        version=__version__,
        description="Predictions of one saved model. GET /schema lists its columns.",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.add_middleware(_Counted)
    bearer = HTTPBearer(auto_error=False)

    async def check_token(request: Request, _: Any = Depends(bearer)) -> None:  # noqa: B008
        if not settings.accepts(request.headers.get("authorization")):
            raise HTTPException(
                401,
                "Send the header 'Authorization: Bearer TOKEN', with the token of the "
                "server.",
                {"WWW-Authenticate": "Bearer"},
            )

    protected = [Depends(check_token)] if settings.token is not None else []

    @app.exception_handler(RowsRefused)
    async def refuse(request: Request, error: RowsRefused) -> Response:
        return _json(json.dumps({"detail": error.problems}).encode(), 422)

    @app.get("/health", summary="Whether the model is loaded")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model_version": worker.model.version}

    @app.get("/schema", dependencies=protected, summary="Columns, classes and limits")
    async def schema() -> dict[str, Any]:
        return worker.model.schema

    @app.get(
        "/metrics",
        dependencies=protected,
        summary="Requests, rows and drift, for Prometheus",
        response_class=Response,
    )
    async def show_metrics() -> Response:
        found = await asyncio.to_thread(metrics.exposition, worker.model, worker.recent)
        return Response(found, media_type=CONTENT_TYPE_LATEST)

    @app.post(
        "/predict",
        dependencies=protected,
        summary="Probabilities and decisions of rows",
        openapi_extra={"requestBody": _BODY},
        responses=_RESPONSES,
        response_class=Response,
    )
    async def predict(
        request: Request,
        reasons: Annotated[
            int | None, Query(ge=0, description="Reasons for each row, as in the body")
        ] = None,
    ) -> Response:
        is_csv = _is_csv(request)
        body = await _read_body(request, settings.max_bytes)
        # A body that asks for reasons says so by this word.
        slow = bool(reasons) or (not is_csv and b'"reasons"' in body)
        lane = lanes["explain" if slow else "predict"]
        return _json(await _in(lane, worker.answer, body, is_csv, reasons))

    return app


async def _in(lane: ThreadPoolExecutor, function: Callable, *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(lane, function, *arguments)


def _json(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")
