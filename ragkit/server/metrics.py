"""What a server counts, in the form of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Metrics:
    """Counts requests by route, never by what is asked."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._registry = CollectorRegistry()
        names = ("method", "route", "status")
        self._requests = Counter(
            "ragkit_requests", "Requests answered.", names, registry=self._registry
        )
        self._seconds = Histogram(
            "ragkit_request_seconds",
            "Time from a request to the end of its answer.",
            ("route",),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._running = Gauge(
            "ragkit_requests_running", "Requests being answered.", registry=self._registry
        )
        self._held = Gauge(
            "ragkit_base", "What a base holds.", ("base", "what"), registry=self._registry
        )

    def began(self) -> None:
        """Count a request that is being answered."""
        self._running.inc()

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._running.dec()
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def written(self, bases: Mapping[str, Callable[[], Mapping[str, int]]]) -> bytes:
        """Return all of it as text, with what the bases hold now."""
        for name, held in bases.items():
            for what, count in held().items():
                self._held.labels(name, what).set(count)
        return generate_latest(self._registry)
