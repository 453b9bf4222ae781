"""Personal values, sealed: the entry holds a commitment, the database a ciphertext, a file the key.

Entries are kept for ever and names are not: so an entry only commits to a personal value, and
whoever shows the value shows that it is the one. Destroying a person's key erases every value of
that person, while every entry stays as it was hashed. A sealed value is stored before the append
that cites it: what an entry commits to is never missing because a program stopped in between.
Read next: `ledger/personal_keys.py`.
"""

import hmac
import secrets
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.database import Database, Role
from ledger.errors import Invalid
from ledger.personal_keys import PersonalKeys
from ledger.vocabulary import PersonRef, Sealed

__all__ = ["Mark", "Personal", "PersonalKeys", "SealedStore"]

NONCE_BYTES: Final = 32
GCM_NONCE_BYTES: Final = 12
VALUE_BYTES_MAX: Final = 16_384
SEAL_MAX: Final = 10_000
REVEAL_MAX: Final = 10_000
CACHE_MAX: Final = 50_000

INSERT = """
INSERT INTO ledger.sealed_field (ledger_id, person, commitment, field, ciphertext)
SELECT %(ledger_id)s, given.person, given.commitment, given.field, given.ciphertext
FROM unnest(%(persons)s::text[], %(commitments)s::bytea[], %(fields)s::text[],
            %(ciphertexts)s::bytea[]) AS given (person, commitment, field, ciphertext)
ON CONFLICT DO NOTHING
"""
INSERT_INDEX = """
INSERT INTO ledger.sealed_index (ledger_id, blind, person)
SELECT %(ledger_id)s, given.blind, given.person
FROM unnest(%(blinds)s::bytea[], %(persons)s::text[]) AS given (blind, person)
ON CONFLICT DO NOTHING
"""
SELECT = """
SELECT sealed_field.person, sealed_field.commitment, sealed_field.ciphertext
FROM unnest(%(persons)s::text[], %(commitments)s::bytea[]) AS wanted (person, commitment)
JOIN ledger.sealed_field
    ON sealed_field.ledger_id = %(ledger_id)s
    AND sealed_field.person = wanted.person
    AND sealed_field.commitment = wanted.commitment
"""
FIND = """
SELECT person FROM ledger.sealed_index
WHERE ledger_id = %(ledger_id)s AND blind = %(blind)s ORDER BY person
"""


class Mark(Enum):
    """Why a sealed value cannot be shown."""

    ERASED = "erased"
    MISSING = "missing"


class Personal(msgspec.Struct, frozen=True):
    """A value to seal; `findable` lets its person be found by it."""

    person: str
    field: str
    value: str
    findable: bool = False


class SealedStore:
    """Seals and reveals the personal values of one ledger."""

    def __init__(
        self,
        database: Database,
        ledger_id: int,
        keys: PersonalKeys,
        draw_nonce: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._ledger_id = ledger_id
        self._keys = keys
        # A simulated ledger draws from its seed, so that its entries are the same each time.
        self._draw_nonce = draw_nonce
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._cached_at = keys.generation()

    def seal(self, person: str, field: str, value: str, *, findable: bool = False) -> Sealed:
        """Store one value; what comes back goes into the entry."""
        return self.seal_many([Personal(person, field, value, findable)])[0]

    def seal_many(self, values: Sequence[Personal]) -> list[Sealed]:
        """Store values, in order; durable when this returns, so append only afterwards."""
        if len(values) > SEAL_MAX:
            raise Invalid.field("values", f"{SEAL_MAX:,} values are sealed at a time")
        keys = self._keys.made_for({one.person for one in values})
        ciphers = {person: AESGCM(key) for person, key in keys.items()}
        commitments, ciphertexts = [], []
        for one in values:
            content = _encoded(one.field, one.value)
            nonce = self._draw_nonce(NONCE_BYTES)
            commitment = hmac.digest(nonce, content, "sha256")
            commitments.append(commitment)
            gcm_nonce = secrets.token_bytes(GCM_NONCE_BYTES)
            bound = self._bound_to(one.person, commitment)
            ciphertexts.append(
                gcm_nonce + ciphers[one.person].encrypt(gcm_nonce, nonce + content, bound)
            )
        self._store(values, commitments, ciphertexts)
        return [
            Sealed(commitment=commitment.hex(), person=PersonRef(one.person))
            for one, commitment in zip(values, commitments, strict=True)
        ]

    def reveal(self, sealed: Sequence[tuple[str, str]]) -> list[str | Mark]:
        """The values behind (person, commitment), in order, or why there is none."""
        if len(sealed) > REVEAL_MAX:
            raise Invalid.field("sealed", f"{REVEAL_MAX:,} values are revealed at a time")
        known = self._cached(sealed)
        unknown = [one for one in dict.fromkeys(sealed) if one not in known]
        if unknown:
            generation = self._keys.generation()
            opened = self._opened(unknown)
            self._remember(opened, generation)
            known |= opened
        return [known[one] for one in sealed]

    def find(self, field: str, value: str) -> list[str]:
        """The persons whose findable field has this value, letter case and width aside."""
        parameters = {"ledger_id": self._ledger_id, "blind": self._blind(field, value)}
        with self._database.pooled(Role.READER) as connection:
            return [person for (person,) in connection.execute(FIND, parameters)]

    def _store(
        self, values: Sequence[Personal], commitments: list[bytes], ciphertexts: list[bytes]
    ) -> None:
        findable = [one for one in values if one.findable]
        rows = {
            "ledger_id": self._ledger_id,
            "persons": [one.person for one in values],
            "commitments": commitments,
            "fields": [one.field for one in values],
            "ciphertexts": ciphertexts,
        }
        index_rows = {
            "ledger_id": self._ledger_id,
            "blinds": [self._blind(one.field, one.value) for one in findable],
            "persons": [one.person for one in findable],
        }
        with self._database.pooled(Role.WRITER) as connection, connection.transaction():
            connection.execute(INSERT, rows)
            if findable:
                connection.execute(INSERT_INDEX, index_rows)

    def _opened(self, sealed: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str | Mark]:
        keys = self._keys.of({person for person, _ in sealed})
        found: dict[tuple[str, str], str | Mark] = {
            one: Mark.ERASED if keys.get(one[0], b"") is None else Mark.MISSING for one in sealed
        }
        wanted = [(person, bytes.fromhex(text)) for person, text in sealed if keys.get(person)]
        parameters = {
            "ledger_id": self._ledger_id,
            "persons": [person for person, _ in wanted],
            "commitments": [commitment for _, commitment in wanted],
        }
        with self._database.pooled(Role.READER) as connection:
            rows = connection.execute(SELECT, parameters, binary=True).fetchall() if wanted else []
        for person, commitment, ciphertext in rows:
            key = keys[person]
            value = self._decrypt(key, person, commitment, ciphertext) if key else None
            if value is not None:
                found[person, commitment.hex()] = value
        return found

    def _decrypt(self, key: bytes, person: str, commitment: bytes, sealed: bytes) -> str | None:
        """The value, or None when this is not what the entry committed to."""
        gcm_nonce, ciphertext = sealed[:GCM_NONCE_BYTES], sealed[GCM_NONCE_BYTES:]
        try:
            plain = AESGCM(key).decrypt(gcm_nonce, ciphertext, self._bound_to(person, commitment))
        except InvalidTag:
            return None
        nonce, content = plain[:NONCE_BYTES], plain[NONCE_BYTES:]
        if not hmac.compare_digest(hmac.digest(nonce, content, "sha256"), commitment):
            return None
        return content.decode()

    def _bound_to(self, person: str, commitment: bytes) -> bytes:
        """What a ciphertext belongs to, so that rows cannot be exchanged."""
        return self._ledger_id.to_bytes(4, "big") + commitment + person.encode()

    def _blind(self, field: str, value: str) -> bytes:
        plain = unicodedata.normalize("NFKC", value).strip().casefold()
        content = field.encode() + b"\0" + _encoded(field, plain)
        return hmac.digest(self._keys.index_key(), content, "sha256")

    def _cached(self, sealed: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str | Mark]:
        """What is known already, unless a key may have been destroyed since."""
        generation = self._keys.generation()
        with self._lock:
            if generation != self._cached_at:
                self._cache.clear()
                self._cached_at = generation
            known: dict[tuple[str, str], str | Mark] = {}
            for one in sealed:
                if one in self._cache:
                    known[one] = self._cache[one]
                    self._cache.move_to_end(one)
            return known

    def _remember(
        self, opened: dict[tuple[str, str], str | Mark], generation: tuple[int, int]
    ) -> None:
        with self._lock:
            if generation != self._cached_at:
                return
            for one, value in opened.items():
                if isinstance(value, str):
                    self._cache[one] = value
            while len(self._cache) > CACHE_MAX:
                self._cache.popitem(last=False)


def _encoded(field: str, value: str) -> bytes:
    try:
        content = value.encode()
    except UnicodeEncodeError as error:
        raise Invalid.field(field, "this holds half a character (a surrogate); mend it") from error
    if len(content) > VALUE_BYTES_MAX:
        raise Invalid.field(field, f"a personal value has {VALUE_BYTES_MAX:,} bytes at most")
    return content
