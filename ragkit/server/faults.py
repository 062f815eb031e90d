"""What went wrong, in the form of OpenAI's API, which all of the server's routes use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ragkit.errors import (
    BudgetError,
    EmbeddingError,
    LockedError,
    ModelError,
    NotFoundError,
    PromptTooLongError,
    RagkitError,
    ReadOnlyError,
    UsageError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

# The first that fits.
_STATUSES: tuple[tuple[type[RagkitError], int], ...] = (
    (NotFoundError, 404),
    (PromptTooLongError, 400),
    (UsageError, 400),
    (ReadOnlyError, 403),
    (LockedError, 409),
    (BudgetError, 429),
    (ModelError, 502),
    (EmbeddingError, 503),
)
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"} | {
    404: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


def fault(message: str, status: int, *, code: str | None = None, param: str | None = None) -> Any:
    """Return the body that says what went wrong."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def fault_of(error: RagkitError) -> tuple[dict[str, Any], int]:
    """Return the body and the status for an error of ragkit's."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 503)
    return fault(str(error), status, code=type(error).__name__), status


def add_fault_handlers(app: FastAPI) -> None:
    """Answer all errors in one form; one that nobody foresaw says nothing of the inside."""

    @app.exception_handler(RagkitError)
    async def expected(_request: Request, error: RagkitError) -> JSONResponse:
        return JSONResponse(*fault_of(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        message = f"{place}: {first['msg']}" if place else str(first["msg"])
        return JSONResponse(fault(message, 400, param=place or None), 400)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        body = fault(str(error.detail), error.status_code)
        return JSONResponse(body, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(_request: Request, error: Exception) -> JSONResponse:
        message = "the server failed; what happened is in its log"
        return JSONResponse(fault(message, 500, code=type(error).__name__), 500)
