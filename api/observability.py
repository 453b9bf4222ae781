"""What an operator sees: one JSON line a request, and figures for Prometheus.

Labels are route templates, never addresses, so that a thousand outlets are one series; requests
that no route took are counted as one. Logs hold ids, never names, and anything that looks like an
API key is masked before it is written.
"""

import logging
import re
import sys
from contextlib import suppress
from typing import Any, Final

import structlog
from litestar import Request, Response, get
from litestar.types import Scope
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from structlog.typing import EventDict, WrappedLogger

from api.auth import Permission
from api.ledgers import OpenLedger
from ledger.errors import LedgerError
from ledger.sealing.standing import seal_standing

DURATION_BUCKETS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NO_ROUTE: Final = "(no route)"
_KEY: Final = re.compile(r"ldg_[A-Za-z0-9]+_[A-Za-z0-9_-]{43}")
_SECRETS: Final = frozenset({"authorization", "cookie", "key", "password", "secret", "token"})

logger = structlog.get_logger("api.access")


class Observer:
    """The figures of one application; it owns its registry, so that tests may run several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "ledger_http_requests", "Requests answered", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "ledger_http_request_seconds",
            "Time from receipt to the last byte",
            ("method", "route"),
            buckets=DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.position = Gauge(
            "ledger_position", "Last position recorded", ("ledger",), registry=self.registry
        )
        self.projected = Gauge(
            "ledger_projected_position",
            "Position that all views have reached",
            ("ledger",),
            registry=self.registry,
        )

        self.sealed = Gauge(
            "ledger_sealed_position", "Last position sealed", ("ledger",), registry=self.registry
        )
        self.seal_lag = Gauge(
            "ledger_seal_lag_seconds",
            "For how long the first unsealed fact has waited",
            ("ledger",),
            registry=self.registry,
        )
        self.stopped = Gauge(
            "ledger_stopped", "1 while nothing may be recorded", ("ledger",), registry=self.registry
        )

    def look(self, opened: OpenLedger) -> None:
        """Take down how a ledger stands now."""
        labels = (opened.info.name,)
        self.position.labels(*labels).set(opened.recorder.head().position)
        with suppress(LedgerError):
            self.projected.labels(*labels).set(opened.progress.projected_position())
        with suppress(LedgerError):
            standing = seal_standing(opened.database, opened.info.ledger_id)
            self.sealed.labels(*labels).set(standing.sealed_position)
            self.seal_lag.labels(*labels).set(standing.lag_seconds(opened.clock.now()))
            self.stopped.labels(*labels).set(standing.stopped is not None)

    def observe(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        """Count and log one answered request."""
        route = str(scope.get("path_template") or NO_ROUTE)
        known = method if method in _METHODS else "OTHER"
        self.requests.labels(known, route, str(status)).inc()
        self.seconds.labels(known, route).observe(seconds)
        caller = scope.get("caller")
        logger.info(
            "request",
            request_id=scope.get("request_id"),
            method=known,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            role=getattr(caller, "role", None),
            access=getattr(caller, "access", None),
        )


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def metrics_route(observer: Observer) -> Any:  # noqa: ANN401
    """`/metrics` in the format that Prometheus reads."""

    @get("/metrics", sync_to_thread=True, include_in_schema=False, permission=Permission.PUBLIC)
    def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        for opened in request.app.state.ledgers.all_open():
            observer.look(opened)
        return Response(generate_latest(observer.registry), media_type=CONTENT_TYPE_LATEST)

    return metrics


def configure_logging(level: str) -> None:
    """One JSON line a message on standard error, secrets masked."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_secrets,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr)


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what must never be written: fields by name, API keys wherever they stand."""
    for name, value in event.items():
        if name.lower() in _SECRETS:
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _KEY.sub("ldg_***", value)
    return event
