"""The service put together: every door, every guard, one frame around them.

`create_app` is the composition root: it is given its ledgers and starts nothing by itself
(`server.py` does). What holds for every request is said once, here: the guards, the body limit,
the shape of refusals, and the threads that synchronous handlers run on.
Read next: `strictness.py`, `auth.py`, `visits.py`, then any capability, such as `reports.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide

from api import (
    attachments,
    calendar,
    duties,
    events,
    health,
    log_files,
    obligations,
    organisation,
    outlets,
    proofs,
    relief,
    replaying,
    reports,
    showing,
    timeline,
    two_times,
)
from api.auth import require_permission
from api.console.pages import answer, console_router
from api.frame import Frame
from api.ledgers import Ledgers
from api.observability import Observer, metrics_route
from api.openapi import openapi_config
from api.strictness import BODY_BYTES_MAX, declared_queries, require_strict_request
from api.visits import provide_view, provide_visit

THREADS: Final = 64
"""Synchronous handlers at once: group commit gathers what they append together."""


def create_app(ledgers: Ledgers) -> Litestar:
    """The application over these ledgers; it closes nothing that it did not open."""
    observer = Observer()
    versioned = Router(
        "/api/v1/{ledger:str}",
        route_handlers=[
            organisation.commands,
            outlets.commands,
            calendar.commands,
            duties.commands,
            reports.commands,
            relief.commands,
            obligations.router,
            organisation.router,
            duties.router,
            calendar.router,
            timeline.router,
            two_times.router,
            events.router,
            replaying.router,
            showing.router,
            attachments.router,
            proofs.router,
        ],
        dependencies={
            "view": Provide(provide_view, sync_to_thread=False),
            "visit": Provide(provide_visit, sync_to_thread=False),
        },
    )
    app = Litestar(
        route_handlers=[
            versioned,
            log_files.router,
            *health.routes,
            metrics_route(observer),
            console_router(),
        ],
        guards=[require_permission, require_strict_request],
        exception_handlers={Exception: answer},
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=openapi_config(),
        state=State(
            {
                "ledgers": ledgers,
                "observer": observer,
                "uploading": asyncio.Semaphore(attachments.UPLOADS_MAX),
            }
        ),
        lifespan=[_with_threads],
        logging_config=None,
    )
    app.state.declared_queries = declared_queries(app)
    app.asgi_handler = Frame(app.asgi_handler, observer)
    return app


@asynccontextmanager
async def _with_threads(_app: Litestar) -> AsyncIterator[None]:
    """The framework would run six handlers at once on two cores, and starve the group commit."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="door") as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        yield
