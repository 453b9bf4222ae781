"""API keys: who may come in at the door, with which role, below which unit, until when.

A key reads `ldg_<access>_<43 characters>`. Its secret is 256 random bits, so a plain SHA-256 of it
is safe to keep and quick to check; the key itself is shown once and never stored. That a key was
issued or revoked is also a fact of the log (`ledger/decisions/access.py`).
Read next: `api/auth.py`, which says what each role may do.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final, LiteralString

import msgspec

from ledger.database import Database, Role
from ledger.entry import Access
from ledger.errors import Invalid, NotFound
from ledger.vocabulary import AccessId, PersonId, UnitId

KEY_PREFIX: Final = "ldg_"
SECRET_BYTES: Final = 32
SECRET_CHARACTERS: Final = 43
ACCESS_CHARACTERS: Final = 12
LIFETIME_MAX: Final = timedelta(days=366)
KEYS_LISTED_MAX: Final = 10_000

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a key opens, and for whom: a person or a system, never both."""

    access: AccessId
    role: str
    unit: UnitId | None
    person: PersonId | None
    system: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether the key still opens anything."""
        return self.revoked_at is None and now < self.expires_at

    def as_access(self) -> Access:
        """What decisions are told of it."""
        return Access(self.role, self.unit)


class AccessKeys:
    """The keys of one ledger."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._database = database
        self._ledger_id = ledger_id

    def issue(self, grant: Grant) -> str:
        """Store a new key for this grant; the answer is the key, and is given only here."""
        if not timedelta(0) < grant.expires_at - grant.created_at <= LIFETIME_MAX:
            raise Invalid.field("expires_at", f"must be at most {LIFETIME_MAX.days} days ahead")
        secret = secrets.token_urlsafe(SECRET_BYTES)
        with self._database.pooled(Role.WRITER) as connection:
            connection.execute(
                INSERT_KEY,
                {
                    "ledger_id": self._ledger_id,
                    "access": grant.access,
                    "digest": digest_of(secret),
                    "role": grant.role,
                    "unit": grant.unit,
                    "person": grant.person,
                    "system": grant.system,
                    "created_at": grant.created_at,
                    "expires_at": grant.expires_at,
                },
            )
        return f"{KEY_PREFIX}{grant.access}_{secret}"

    def find(self, key: str) -> Grant | None:
        """The grant of a key, if the key is one of ours; it may have expired or been revoked."""
        access, secret = split(key)
        with self._database.pooled(Role.WRITER) as connection:
            row = connection.execute(SELECT_KEY, (self._ledger_id, access)).fetchone()
        # An unknown key is compared too, so that the time taken tells nothing.
        known = row[0] if row else bytes(32)
        if not hmac.compare_digest(known, digest_of(secret)) or row is None:
            return None
        return _grant(row[1:])

    def of(self, access: AccessId) -> Grant | None:
        """The grant with this public part, for sessions that a key began."""
        with self._database.pooled(Role.WRITER) as connection:
            row = connection.execute(SELECT_KEY, (self._ledger_id, access)).fetchone()
        return _grant(row[1:]) if row else None

    def listed(self) -> list[Grant]:
        """Every grant, the newest first."""
        with self._database.pooled(Role.WRITER) as connection:
            rows = connection.execute(LIST_KEYS, (self._ledger_id, KEYS_LISTED_MAX)).fetchall()
        return [_grant(row) for row in rows]

    def revoke(self, access: AccessId, now: datetime) -> None:
        """From now on the key opens nothing; revoking twice changes nothing."""
        with self._database.pooled(Role.WRITER) as connection:
            given = {"ledger_id": self._ledger_id, "access": access, "revoked_at": now}
            if connection.execute(KEY_EXISTS, given).fetchone() is None:
                raise NotFound(f"there is no API key {access!r} in this ledger")
            connection.execute(INSERT_REVOKED, given)


def new_access_id() -> AccessId:
    """A fresh public part of a key."""
    return AccessId("".join(secrets.choice(_ALPHABET) for _ in range(ACCESS_CHARACTERS)))


def split(key: str) -> tuple[str, str]:
    """A key's public part and its secret; both empty where it does not look like a key."""
    if not key.startswith(KEY_PREFIX):
        return "", ""
    access, _, secret = key.removeprefix(KEY_PREFIX).partition("_")
    if len(secret) != SECRET_CHARACTERS or not (access.isascii() and secret.isascii()):
        return "", ""
    return access, secret


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def _grant(row: tuple[object, ...]) -> Grant:
    return msgspec.convert(dict(zip(Grant.__struct_fields__, row, strict=True)), Grant)


INSERT_KEY: Final[LiteralString] = """
INSERT INTO ledger.api_key
    (ledger_id, access, digest, role, unit, person, system, created_at, expires_at)
VALUES (%(ledger_id)s, %(access)s, %(digest)s, %(role)s, %(unit)s, %(person)s, %(system)s,
        %(created_at)s, %(expires_at)s)
"""

SELECT_KEY: Final[LiteralString] = """
SELECT api_key.digest, api_key.access, api_key.role, api_key.unit, api_key.person, api_key.system,
       api_key.created_at, api_key.expires_at, api_key_revoked.revoked_at
FROM ledger.api_key
LEFT JOIN ledger.api_key_revoked USING (ledger_id, access)
WHERE api_key.ledger_id = %s AND api_key.access = %s
"""

LIST_KEYS: Final[LiteralString] = """
SELECT api_key.access, api_key.role, api_key.unit, api_key.person, api_key.system,
       api_key.created_at, api_key.expires_at, api_key_revoked.revoked_at
FROM ledger.api_key
LEFT JOIN ledger.api_key_revoked USING (ledger_id, access)
WHERE api_key.ledger_id = %s
ORDER BY api_key.created_at DESC, api_key.access
LIMIT %s
"""

KEY_EXISTS: Final[LiteralString] = """
SELECT FROM ledger.api_key WHERE ledger_id = %(ledger_id)s AND access = %(access)s
"""

INSERT_REVOKED: Final[LiteralString] = """
INSERT INTO ledger.api_key_revoked (ledger_id, access, revoked_at)
VALUES (%(ledger_id)s, %(access)s, %(revoked_at)s)
ON CONFLICT (ledger_id, access) DO NOTHING
"""
