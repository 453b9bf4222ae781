"""Who is asking, and what they may see and do: decided here and nowhere else.

Three questions, in this order. *Who*: an API key in `Authorization: Bearer`, or the session that a
sign-in with a key began. *What*: every route names one permission in its `opt`, and `MAY` says
which role has it. *Where*: a key may be bound to a unit; whatever lies outside of that unit's
subtree, as it stands now, is answered as if it did not exist (`api/scope.py`). Whether a post may
do something is another matter: that follows from facts, in `ledger/decisions/`.
"""

import asyncio
import hashlib
import hmac
import time
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.problems import CrossSite, NotSignedIn
from ledger.access import AccessKeys, Grant
from ledger.entry import Access
from ledger.errors import LedgerError, NotAllowed
from ledger.settings import Settings
from ledger.vocabulary import AccessId, Actor, PersonId, UnitId, Via

if TYPE_CHECKING:
    from api.ledgers import OpenLedger


class Permission(StrEnum):
    """What a route needs; each route names exactly one."""

    PUBLIC = "public"
    SEE_ANSWERS = "answers.see"
    SEE_ORGANISATION = "organisation.see"
    SEE_EVENTS = "events.see"
    SEE_NAMES = "names.see"
    SEE_ACCESS = "access.see"
    SEE_ATTACHMENTS = "attachments.see"
    SEE_LOG = "log.see"
    WRITE_ORGANISATION = "organisation.write"
    WRITE_DUTIES = "duties.write"
    WRITE_CALENDAR = "calendar.write"
    WRITE_REPORTS = "reports.write"
    SEND_ATTACHMENTS = "attachments.send"
    REVIEW_REPORTS = "reports.review"
    ASK_RELIEF = "relief.ask"
    GIVE_RELIEF = "relief.give"


_SEE: Final = frozenset({Permission.SEE_ANSWERS, Permission.SEE_ORGANISATION})
_SEE_ALL: Final = _SEE | {
    Permission.SEE_EVENTS,
    Permission.SEE_NAMES,
    Permission.SEE_ATTACHMENTS,
}

MAY: Final[dict[str, frozenset[Permission]]] = {
    "administrator": frozenset(Permission),
    "auditor": _SEE_ALL | {Permission.SEE_ACCESS, Permission.SEE_LOG},
    "manager": _SEE_ALL
    | {
        Permission.WRITE_ORGANISATION,
        Permission.WRITE_DUTIES,
        Permission.WRITE_REPORTS,
        Permission.SEND_ATTACHMENTS,
        Permission.REVIEW_REPORTS,
        Permission.ASK_RELIEF,
        Permission.GIVE_RELIEF,
    },
    "obligor": _SEE_ALL
    | {Permission.WRITE_REPORTS, Permission.SEND_ATTACHMENTS, Permission.ASK_RELIEF},
    "dashboard": _SEE,
}
"""What each role may do. Whether this post may do it to that one is decided from facts."""

OF_THE_WHOLE: Final = frozenset({Permission.SEE_LOG})
"""What shows the facts of every unit at once, and so takes a key, one that is bound to none."""

OPEN_ROLE: Final = "auditor"
"""What a visitor without a key is on a ledger that is open for reading."""

SESSION_COOKIE: Final = "ledger_session"
SESSION_LIFETIME: Final = timedelta(hours=12)
KEY_KNOWN_SECONDS: Final = 1.0
"""How long a key that was found is believed; revoking in this process forgets it at once."""

KEYS_KNOWN_MAX: Final = 10_000
_MAC_CHARACTERS: Final = 43
_SAME_SITE: Final = frozenset({"same-origin", "none", ""})


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, in which role, below which unit; `by_session` when a browser's cookie said so."""

    role: str
    unit: UnitId | None = None
    access: AccessId | None = None
    person: PersonId | None = None
    system: str | None = None
    by_session: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether the role has this permission, and the key the reach for it."""
        if permission is Permission.PUBLIC:
            return True
        if permission in OF_THE_WHOLE and (self.access is None or self.unit is not None):
            return False
        return permission in MAY.get(self.role, frozenset())

    def actor(self) -> Actor:
        """The caller as facts name them; the post that they act in is a command's own field."""
        via = Via.CONSOLE if self.by_session else Via.API
        return Actor(via=via, person=self.person, system=self.system)

    def as_access(self) -> Access:
        """What decisions are told of the key."""
        return Access(self.role, self.unit)


class Doorkeeper:
    """Knows the callers of one ledger by their keys and sessions."""

    def __init__(self, keys: AccessKeys, ledger: str, secret: bytes, *, is_open: bool) -> None:
        self.keys = keys
        self._ledger = ledger
        self._secret = secret
        self._is_open = is_open
        self._known: dict[bytes, tuple[float, Grant]] = {}

    def caller_of(self, authorization: str, session: str, now: datetime) -> Caller:
        """Who these headers say is asking; `NotSignedIn` says how to."""
        if authorization:
            scheme, _, key = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise NotSignedIn
            return _caller(self._open_grant(key.strip(), now), by_session=False)
        if session and (grant := self._session_grant(session, now)):
            return _caller(grant, by_session=True)
        if self._is_open:
            return Caller(role=OPEN_ROLE, system="visitor")
        raise NotSignedIn

    def remembered(self, authorization: str, now: datetime) -> Caller | None:
        """The caller whose key was looked up a moment ago; without waiting for anything."""
        key = authorization.removeprefix("Bearer ").encode()
        seen_at, grant = self._known.get(hashlib.sha256(key).digest(), (0.0, None))
        fresh = time.monotonic() - seen_at <= KEY_KNOWN_SECONDS
        return _caller(grant, by_session=False) if grant and fresh and grant.is_open(now) else None

    def begin_session(self, key: str, now: datetime) -> str:
        """The value of a session cookie for whoever holds this key."""
        grant = self._open_grant(key.strip(), now)
        until = int(min(now + SESSION_LIFETIME, grant.expires_at).timestamp())
        body = f"{grant.access}.{until}"
        return f"{body}.{self._mac(body)}"

    def forget(self) -> None:
        """Look every key up again, because one was revoked."""
        self._known.clear()

    def _open_grant(self, key: str, now: datetime) -> Grant:
        fingerprint = hashlib.sha256(key.encode()).digest()
        return self._believed(fingerprint, now, lambda: self.keys.find(key))

    def _session_grant(self, session: str, now: datetime) -> Grant | None:
        body, _, mac = session.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(body).encode()):
            return None
        access, _, until = body.partition(".")
        if int(until) <= now.timestamp():
            return None
        try:
            fingerprint = b"session:" + access.encode()
            return self._believed(fingerprint, now, lambda: self.keys.of(AccessId(access)))
        except NotSignedIn:
            return None

    def _believed(self, fingerprint: bytes, now: datetime, find: Any) -> Grant:  # noqa: ANN401
        seen_at, grant = self._known.get(fingerprint, (0.0, None))
        if grant is None or time.monotonic() - seen_at > KEY_KNOWN_SECONDS:
            grant = find()
            if grant is None:
                raise NotSignedIn("this API key is not known to this ledger; ask for a new one")
            if len(self._known) >= KEYS_KNOWN_MAX:
                self._known.clear()
            self._known[fingerprint] = (time.monotonic(), grant)
        if not grant.is_open(now):
            raise NotSignedIn("this API key has expired or was revoked; ask for a new one")
        return grant

    def _mac(self, body: str) -> str:
        whole = f"session:{self._ledger}:{body}".encode()
        return hmac.digest(self._secret, whole, hashlib.sha256).hex()


async def require_permission(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard for every route: find out who asks, and refuse what their role does not allow."""
    if connection.scope["method"] == "OPTIONS":  # type: ignore[typeddict-item]
        return
    permission: Permission = handler.opt["permission"]
    if _is_open_to_all(permission, connection.app.state.ledgers.settings):
        return
    opened: OpenLedger = await connection.app.state.ledgers.get(connection.path_params["ledger"])
    authorization, now = connection.headers.get("authorization", ""), opened.clock.now()
    caller = opened.doorkeeper.remembered(authorization, now)
    if caller is None:
        session = connection.cookies.get(SESSION_COOKIE, "")
        caller = await asyncio.to_thread(opened.doorkeeper.caller_of, authorization, session, now)
    if caller.by_session and connection.scope["method"] != "GET":  # type: ignore[typeddict-item]
        # A browser sends its cookie along by itself: it may look, and commands need the key.
        raise NotAllowed("a browser's session only reads; send the API key with commands")
    if not caller.may(permission):
        raise _refusal(caller, permission)
    connection.scope["opened"] = opened  # type: ignore[typeddict-unknown-key]
    connection.scope["caller"] = caller  # type: ignore[typeddict-unknown-key]


def _is_open_to_all(permission: Permission, settings: Settings) -> bool:
    """Whether nobody need say who asks: for what is public, and a log that was made so."""
    if permission is Permission.SEE_LOG:
        return settings.log_public
    return permission is Permission.PUBLIC


def _refusal(caller: Caller, permission: Permission) -> LedgerError:
    if permission in OF_THE_WHOLE and caller.access is None:
        return NotSignedIn()
    if permission in OF_THE_WHOLE and caller.unit is not None:
        return NotAllowed(
            f"this key is bound to {caller.unit}; {permission} takes a key of the whole ledger"
        )
    return NotAllowed(f"the role {caller.role} does not include {permission}; ask an administrator")


def require_same_site(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Turn away a form that another site sent; the two forms that need no key are such."""
    if connection.headers.get("sec-fetch-site", "") not in _SAME_SITE:
        raise CrossSite


def _caller(grant: Grant, *, by_session: bool) -> Caller:
    return Caller(
        role=grant.role,
        unit=grant.unit,
        access=grant.access,
        person=grant.person,
        system=grant.system,
        by_session=by_session,
    )
