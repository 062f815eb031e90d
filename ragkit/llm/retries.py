"""Trying again what may go well the second time: busy servers, rate limits, lost connections."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import openai

from ragkit.embed.bounded_http import AbandonedError
from ragkit.events import span
from ragkit.events.awaiting import is_awaiting, sleep

if TYPE_CHECKING:
    import threading

Result = TypeVar("Result")

RETRIES = 2
_FIRST_WAIT = 0.5
_RETRIED = {408, 409, 429, 500, 502, 503, 504, 529}


def patiently(send: Callable[[], Result], *, until: float, abandoned: threading.Event) -> Result:
    """Call ``send``, and again up to twice where that may help; each wait is a span.

    The server's ``Retry-After`` is respected, else the wait doubles from half a second, less a
    random part so that clients do not come back in step. A wait that would last longer than there
    is time is not begun.

    Args:
        send: Sends the request.
        until: When the reply has to be there, by ``time.monotonic()``.
        abandoned: Set when nobody wants the reply any more.

    Raises:
        openai.OpenAIError: the last attempt's, or one that another attempt would not help.
        AbandonedError: nobody wants it any more.
    """
    for attempt in range(RETRIES + 1):
        try:
            return send()
        except (openai.APIStatusError, openai.APIConnectionError) as error:
            wait = _wait(error, attempt)
            if wait is None or attempt == RETRIES or time.monotonic() + wait >= until:
                raise
            reason = " ".join(str(error).split())[:300]
        with span("retry", "model", reason=reason, attempt=attempt + 2, wait_seconds=wait):
            if is_awaiting():
                sleep(wait)
            elif abandoned.wait(wait):
                raise AbandonedError
    raise AssertionError("the last attempt returns or raises")


def _wait(error: openai.APIError, attempt: int) -> float | None:
    """Return how long to wait before trying again, or ``None`` where that would not help."""
    if isinstance(error, openai.APITimeoutError):
        return None  # it had its time
    backoff: float = _FIRST_WAIT * 2**attempt * (1 - random.random() / 4)  # noqa: S311 - no secret
    if not isinstance(error, openai.APIStatusError):
        return backoff
    if error.status_code not in _RETRIED or error.code == "insufficient_quota":
        return None
    asked = _retry_after(error.response.headers)
    return backoff if asked is None else asked


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read what the server asks for: seconds, or a date (RFC 9110, section 10.2.3)."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, TypeError, OverflowError):
                continue
        if seconds == seconds:  # "nan" is a number to float()
            return max(0.0, seconds)
    return None
