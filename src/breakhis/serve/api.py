"""The REST routes: each reads a form within limits and asks the service."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ValidationError

from breakhis.errors import BusyError, DataError, ImageError, LimitError, UsageError
from breakhis.explain import Method, heat_png
from breakhis.predictions import Predictions
from breakhis.serve.limits import deadline
from breakhis.serve.schemas import MULTIPART, By, Failure, Heatmaps, ModelAnswer, Shapes, Status
from breakhis.serve.service import Answer, Service
from breakhis.serve.uploads import Form, Upload, read_form

_FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Failure, "description": "Not a multipart form with `files`, or options that do not fit."},
    413: {"model": Failure, "description": "Too many bytes or too many files."},
    422: {"model": Failure, "description": "No upload is a whole 8-bit RGB image, or a value is wrong."},
    500: {"model": Failure, "description": "An error in the service; the log has its traceback."},
    503: {"model": Failure, "description": "Busy or starting; `Retry-After` says when to try again."},
    504: {"model": Failure, "description": "Not answered in time."},
}
_FORM: Final = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": MULTIPART}}}}
_JSON_BYTES: Final = 8 * 2**20


class Api:
    """The routes of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._shapes = Shapes(service.predictor.taxonomy)

    def router(self) -> APIRouter:
        """All REST routes."""
        router, shapes = APIRouter(), self._shapes
        pool_schema = {"schema": shapes.pool_request.model_json_schema(ref_template="#/$defs/{model}")}
        pool_body = {"requestBody": {"required": True, "content": {"application/json": pool_schema}}}
        post: Any = {"methods": ["POST"], "responses": _FAILURES}
        router.add_api_route(
            "/v1/predict", self.predict, response_model=shapes.predictions, openapi_extra=_FORM, **post
        )
        router.add_api_route(
            "/v1/explain", self.explain, response_model=Heatmaps, openapi_extra=_FORM, **post
        )
        router.add_api_route(
            "/v1/preview",
            self.preview,
            openapi_extra=_FORM,
            **{**post, "responses": {**_FAILURES, 200: {"content": {"image/jpeg": {}}}}},
        )
        router.add_api_route(
            "/v1/pool", self.pool, response_model=shapes.pooled, openapi_extra=pool_body, **post
        )
        router.add_api_route("/v1/model", self.model, response_model=ModelAnswer)
        router.add_api_route("/healthz", self.healthz, response_model=Status)
        router.add_api_route("/readyz", self.readyz, response_model=Status, responses={503: _FAILURES[503]})
        router.add_api_route("/metrics", self.metrics, response_class=_Prometheus)
        return router

    async def predict(
        self,
        request: Request,
        pool: Annotated[By | None, Query(description="What `pooled` stands for; patient by default.")] = None,
    ) -> Response:
        """Classify images: one object an upload, in order, with the columns of `predictions.csv`.

        An upload that cannot be read among others has null in place of numbers, `abstain` true, the reason
        `unreadable`, and an `error`. Where none can be read, the status is 422.
        """
        async with self._form(request) as form:
            by = pool or _by(form.values.get("pool", "patient"))
            answers = await self._service.answers(form.files)
            self._count(request, answers)
            read = [answer for answer in answers if isinstance(answer, Predictions)]
            if not read:
                raise next(answer for answer in answers if isinstance(answer, ImageError))
            rows = [self._row(*pair) for pair in zip(form.files, answers, strict=True)]
            pooled = _pool(Predictions.concatenate(read), by)
        model = self._service.predictor.describe()
        return JSONResponse({"model": model, "images": rows, "pooled": list(pooled.rows())})

    async def explain(
        self,
        request: Request,
        target: Annotated[str | None, Query(description="Code of the class; by default the answer.")] = None,
        method: Method = "gradcam",
    ) -> Response:
        """Heatmaps of one image, for every branch of the network and fused."""
        async with self._form(request) as form:
            upload = _only(form)
            found = await self._service.explain(upload, target=target, method=method)
        heat = {name: _data_url(heat_png(values)) for name, values in found.heat.items()}
        return JSONResponse(
            {
                "model": self._service.predictor.describe(),
                "path": upload.name,
                "target": found.target,
                "answer": found.answer,
                "method": found.method,
                "probabilities": found.probabilities,
                "heat": heat,
                "peaks": found.peaks,
            }
        )

    async def preview(self, request: Request) -> Response:
        """One image as a JPEG of at most 1024 pixels a side, for formats that browsers do not show."""
        async with self._form(request) as form:
            return _Jpeg(await self._service.preview(_only(form)))

    async def pool(self, request: Request) -> Response:
        """Pool rows into patients or cases: the mean of those that do not abstain, unless all do."""
        async with deadline(self._service.limits.seconds):
            try:
                given = self._shapes.pool_request.model_validate_json(await _body(request))
            except ValidationError as error:
                raise DataError(
                    "rows as /v1/predict answers them",
                    found=first_problem(error.errors()),
                    fix="see /openapi.json",
                ) from error
            table = self._table(given.model_dump())
            pooled = _pool(table, given.model_dump()["by"])
        return JSONResponse({"pooled": list(pooled.rows())})

    async def model(self) -> Response:
        """The model, its card and where it comes from."""
        bundle = self._service.predictor.bundle
        provenance = {key: value for key, value in bundle.manifest.items() if key != "members"}
        return JSONResponse(
            {"model": self._service.predictor.describe(), "card": bundle.card, "provenance": provenance}
        )

    async def healthz(self) -> Response:
        """Whether the process lives."""
        return JSONResponse({"status": "ok"})

    async def readyz(self) -> Response:
        """Whether the engine is warm, so that requests are answered at once."""
        if not self._service.ready:
            raise BusyError("a service that is ready", found="one that starts or stops", fix="try again soon")
        return JSONResponse({"status": "ready"})

    async def metrics(self) -> Response:
        """Counters in Prometheus' text format."""
        return _Prometheus(self._service.metrics.text())

    @asynccontextmanager
    async def _form(self, request: Request) -> AsyncIterator[Form]:
        limits = self._service.limits
        async with (
            deadline(limits.seconds),
            read_form(request, limits=limits, budget=self._service.uploads) as form,
        ):
            yield form

    def _row(self, upload: Upload, answer: Answer) -> dict[str, Any]:
        if isinstance(answer, ImageError):
            return self._service.unread(upload, answer)
        return next(iter(answer.rows()))

    def _count(self, request: Request, answers: list[Answer]) -> None:
        counts = {"images": len(answers), "unreadable": 0, "abstained": 0}
        for answer in answers:
            if isinstance(answer, ImageError):
                counts["unreadable"] += 1
                self._service.metrics.image("unreadable")
            elif reason := str(answer.reasons[0]):
                counts["abstained"] += 1
                self._service.metrics.image("abstained", reason=reason)
            else:
                self._service.metrics.image("answered")
        request.state.counts.update(counts)

    def _table(self, given: dict[str, Any]) -> Predictions:
        rows = given["images"]
        taxonomy = self._service.predictor.taxonomy
        probabilities = np.array([[row[code] for code in taxonomy.codes] for row in rows])
        if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
            raise DataError(
                "probabilities that sum to 1 in every row",
                found="others",
                fix="send rows as /v1/predict answered them, without the unreadable ones",
            )
        return Predictions(
            paths=np.array([row["path"] for row in rows]),
            probabilities=probabilities,
            truth=np.full(len(rows), -1, dtype=np.int64),
            magnifications=np.zeros(len(rows), dtype=np.int64),
            patients=np.array([row["patient"] for row in rows]),
            cases=np.array([row["case"] for row in rows]),
            reasons=np.array([row["reason"] for row in rows]),
            taxonomy=taxonomy,
        )


class _Jpeg(Response):
    media_type = "image/jpeg"


class _Prometheus(Response):
    media_type = CONTENT_TYPE_LATEST


def first_problem(errors: Any) -> str:
    """The first thing that a validation found, in one line."""
    place = ".".join(str(part) for part in errors[0]["loc"])
    return f"{place or 'the body'}: {errors[0]['msg']}"


def _by(value: str) -> By:
    if value == "patient":
        return "patient"
    if value == "case":
        return "case"
    raise UsageError("pool=patient or pool=case", found=repr(value[:32]), fix="name one of these")


def _only(form: Form) -> Upload:
    if len(form.files) > 1:
        raise UsageError("one image", found=str(len(form.files)), fix="send one request an image")
    return form.files[0]


def _pool(answers: Predictions, by: By) -> Predictions:
    """Pooled; images of no known group stay single, also where two uploads have the same name."""
    names: list[str] = []
    for path in answers.paths.tolist():
        same = names.count(path)
        names.append(path if not same else f"{path} ({same + 1})")
    return replace(answers, paths=np.array(names)).pool(by)


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _JSON_BYTES:
            raise LimitError(
                f"a body of at most {_JSON_BYTES:,} bytes",
                found="a larger one",
                fix="pool fewer rows at a time",
            )
    return bytes(body)
