"""Personal values, sealed: the entry holds a commitment, the database a ciphertext, a file the key.

Entries are kept for ever and names are not: so an entry only commits to a personal value, and
whoever shows the value shows that it is the one. Destroying a person's key erases every value of
that person, while every entry stays as it was hashed. A sealed value is stored before the append
that cites it: what an entry commits to is never missing because a program stopped in between.
Before anything is opened, found or sealed, the keys follow what the log says was erased.
Read next: `ledger/personal_keys.py`, `ledger/erasure.py`.
"""

import hmac
import re
import secrets
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from itertools import islice
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.database import Database, Role
from ledger.erased import Erased
from ledger.errors import Invalid
from ledger.personal_keys import PersonalKeys, PersonErased
from ledger.vocabulary import PersonRef, Sealed

__all__ = ["Kept", "Mark", "Personal", "PersonalKeys", "SealedStore", "sealed_in"]

NONCE_BYTES: Final = 32
GCM_NONCE_BYTES: Final = 12
VALUE_BYTES_MAX: Final = 16_384
SEAL_MAX: Final = 10_000
REVEAL_MAX: Final = 10_000
CACHE_MAX: Final = 50_000
COMMITMENT: Final = re.compile(r"[0-9a-f]{64}")

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
ERASE = "SELECT ledger.erase_v1(%(ledger_id)s)"


class Mark(Enum):
    """Why a sealed value cannot be shown."""

    ERASED = "erased"
    MISSING = "missing"


class Kept(StrEnum):
    """What is kept of a value that an entry commits to."""

    MATCHING = "matching"
    """It opens, and is what the entry commits to."""
    WRONG = "wrong"
    """Something is stored in its place that does not open, or is not what was committed to."""
    LOCKED = "locked"
    """Something is stored, but its key was destroyed or lost: whether it matches, nobody knows."""
    ABSENT = "absent"
    """Nothing is stored."""


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
        self._erased = Erased(database, ledger_id)
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._cached_at = keys.generation()
        self._followed_at = self._cached_at

    def seal(self, person: str, field: str, value: str, *, findable: bool = False) -> Sealed:
        """Store one value; what comes back goes into the entry."""
        return self.seal_many([Personal(person, field, value, findable)])[0]

    def seal_many(self, values: Sequence[Personal]) -> list[Sealed]:
        """Store values, in order; durable when this returns, so append only afterwards."""
        if len(values) > SEAL_MAX:
            raise Invalid.field("values", f"{SEAL_MAX:,} values are sealed at a time")
        self._follow_log()
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
        # Whoever was erased meanwhile takes nothing: what was just stored goes with the rest.
        if None in self._keys.of(keys).values():
            self.delete_erased()
            raise PersonErased
        return [
            Sealed(commitment=commitment.hex(), person=PersonRef(one.person))
            for one, commitment in zip(values, commitments, strict=True)
        ]

    def reveal(self, sealed: Sequence[tuple[str, str]]) -> list[str | Mark]:
        """The values behind (person, commitment), in order, or why there is none."""
        if len(sealed) > REVEAL_MAX:
            raise Invalid.field("sealed", f"{REVEAL_MAX:,} values are revealed at a time")
        self._follow_log()
        known = self._cached(sealed)
        unknown = [one for one in dict.fromkeys(sealed) if one not in known]
        if unknown:
            generation = self._keys.generation()
            opened = self._opened(unknown)
            self._remember(opened, generation)
            known |= opened
        return [known[one] for one in sealed]

    def find(self, field: str, value: str) -> list[str]:
        """The persons whose findable field has this value, letter case and width aside.

        Nobody who was erased: a database restored from before still has them in its index.
        """
        self._follow_log()
        parameters = {"ledger_id": self._ledger_id, "blind": self._blind(field, value)}
        with self._database.pooled(Role.READER) as connection:
            persons = [person for (person,) in connection.execute(FIND, parameters)]
        keys = self._keys.of(persons)
        return [person for person in persons if keys.get(person, b"") is not None]

    def check(self, sealed: Iterable[tuple[str, str]]) -> Iterator[Kept]:
        """What is kept of each (person, commitment), in order; the values stay here."""
        pending = iter(sealed)
        while some := list(islice(pending, REVEAL_MAX)):
            self._follow_log()
            yield from self._kept(some)

    def erased(self, *, now: bool = False) -> Mapping[str, int]:
        """Everybody whom the log says was erased, and the position of the fact that says so.

        The answer may be a second old, unless it is to be of `now`.
        """
        self._follow_log(now=now)
        return self._erased.positions()

    def erased_in(self, entry: bytes) -> dict[str, int]:
        """The persons whose sealed values in this entry were erased, and by which fact."""
        erased = self.erased()
        persons = {person for person, _ in sealed_in(entry)} if erased else set()
        return {person: erased[person] for person in sorted(persons) if person in erased}

    def delete_erased(self) -> int:
        """Delete what was sealed for persons whom the log says were erased; how many values."""
        with self._database.pooled(Role.WRITER) as connection:
            row = connection.execute(ERASE, {"ledger_id": self._ledger_id}).fetchone()
        assert row is not None, "a function has a value"
        return int(row[0])

    def _follow_log(self, *, now: bool = False) -> None:
        # A key destroyed elsewhere may belong to a fact that is younger than the last answer.
        is_changed = self._keys.generation() != self._followed_at
        self._erased.follow(self._keys.destroy, now=now or is_changed)
        self._followed_at = self._keys.generation()

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
        wanted = [one for one in sealed if keys.get(one[0])]
        for (person, text), ciphertext in self._stored(wanted).items():
            value = self._decrypt(keys[person] or b"", person, bytes.fromhex(text), ciphertext)
            if value is not None:
                found[person, text] = value
        return found

    def _kept(self, sealed: Sequence[tuple[str, str]]) -> Iterator[Kept]:
        keys = self._keys.of({person for person, _ in sealed})
        stored = self._stored(sealed)
        for person, text in sealed:
            key, ciphertext = keys.get(person), stored.get((person, text))
            if ciphertext is None:
                yield Kept.ABSENT
            elif key is None:
                yield Kept.LOCKED
            else:
                value = self._decrypt(key, person, bytes.fromhex(text), ciphertext)
                yield Kept.WRONG if value is None else Kept.MATCHING

    def _stored(self, sealed: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The ciphertexts that are stored for these; what is no commitment has none."""
        wanted = [one for one in dict.fromkeys(sealed) if COMMITMENT.fullmatch(one[1])]
        if not wanted:
            return {}
        parameters = {
            "ledger_id": self._ledger_id,
            "persons": [person for person, _ in wanted],
            "commitments": [bytes.fromhex(text) for _, text in wanted],
        }
        with self._database.pooled(Role.READER) as connection:
            rows = connection.execute(SELECT, parameters, binary=True).fetchall()
        return {(person, commitment.hex()): found for person, commitment, found in rows}

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


def sealed_in(entry: bytes) -> list[tuple[str, str]]:
    """Every (person, commitment) that an entry holds, wherever in it, in order."""
    # Most entries hold none, and are not read any further.
    return list(_sealed_below(msgspec.json.decode(entry))) if b'"commitment"' in entry else []


def _sealed_below(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  (any JSON)
    if isinstance(value, list):
        for one in value:
            yield from _sealed_below(one)
    elif isinstance(value, dict):
        person, commitment = value.get("person"), value.get("commitment")
        if len(value) == len(Sealed.__struct_fields__) and person and commitment:
            yield str(person), str(commitment)
            return
        for one in value.values():
            yield from _sealed_below(one)
