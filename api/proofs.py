"""Proofs from the newest checkpoint: that a fact stands in the log, that the log only grew.

A proof is a file of its own (C2SP tlog-proof): with the entry and the log's public key, which must
come from elsewhere, anybody checks it offline. It reads a few tiles, however large the log is.
Read next: `log_files.py`, `ledger/sealing/proof.py`.
"""

from base64 import b64encode
from typing import Annotated, Final

import msgspec
from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Permission
from api.events import position_of, require_visible
from api.log_files import sealed_log_of
from api.problems import NotSealedYet
from api.visits import Visit
from ledger.errors import Invalid, NotFound
from ledger.sealing.proof import Proof
from ledger.sealing.tiles import TileTree

SIZE_MAX: Final = 2**53 - 1

RETOLD: Final = "private, no-cache"
"""The next checkpoint gives the same fact another proof."""

NOT_FROM_HERE: Final = (
    "For information. Whoever verifies must have these keys from elsewhere: "
    "a server that shows a forged log shows forged keys with it."
)


class TreeAnswer(msgspec.Struct, frozen=True):
    """The log at a size: `root` is its hash, in base64 as checkpoints have it."""

    size: int
    root: str


class LogAnswer(msgspec.Struct, frozen=True):
    """A ledger's verifiable log: its name, who signs it, and how far it is sealed.

    `log_keys` sign checkpoints (two during a rotation), `receipt_keys` the receipts of writes; each
    is a verifier key of a C2SP signed note. `newest` is null until the first checkpoint.
    """

    origin: str
    log_keys: tuple[str, ...]
    receipt_keys: tuple[str, ...]
    newest: TreeAnswer | None
    warning: str


class ConsistencyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """That the log at `to` begins with the log at `from`: RFC 9162, section 2.1.4, in base64."""

    from_: TreeAnswer = msgspec.field(name="from")
    to: TreeAnswer
    proof: tuple[str, ...]


@get(
    "/events/{event:str}/proof",
    permission=Permission.SEE_EVENTS,
    summary="The proof that a fact stands in the log",
    media_type=MediaType.TEXT,
    json=False,
    judged=False,
    sync_to_thread=True,
)
def prove_event(visit: NamedDependency[Visit], event: FromPath[str]) -> Response[str]:
    """A tlog-proof file: the fact at a position, or with an id, under the newest checkpoint."""
    position = position_of(visit, event)
    require_visible(visit, event, position)
    sealed = sealed_log_of(visit.opened)
    size = sealed.size if sealed else 0
    if sealed is None or position > size:
        head = visit.opened.recorder.head().position
        if position > head:
            raise NotFound(f"there is no fact {event!r} as of position {head}")
        raise NotSealedYet(
            f"the newest checkpoint covers {size} facts, and {position} is about to be; "
            "repeat the request in a second"
        )
    hashes = sealed.tree(size).inclusion(position - 1)
    proof = Proof(position - 1, tuple(hashes), sealed.note)
    headers = {
        "ledger-position": str(size),
        "cache-control": RETOLD,
        "content-disposition": (
            f'attachment; filename="{visit.opened.info.name}-{position}.tlog-proof"'
        ),
    }
    return Response(proof.text(), headers=headers)


@get(
    "/log",
    permission=Permission.SEE_ANSWERS,
    summary="The verifiable log: its name, keys and newest size",
    judged=False,
    sync_to_thread=True,
)
def show_log(visit: NamedDependency[Visit]) -> Response[LogAnswer]:
    """What a verifier asks first; the keys must be had from elsewhere too."""
    opened = visit.opened
    sealed = sealed_log_of(opened)
    content = LogAnswer(
        opened.log_origin,
        tuple(key.vkey() for key in opened.log_keys.verifiers()) if opened.log_keys.exist() else (),
        (opened.receipts_key.verifier.vkey(),),
        _answer(sealed.tree(sealed.size)) if sealed else None,
        NOT_FROM_HERE,
    )
    size = sealed.size if sealed else 0
    return Response(content, headers={"ledger-position": str(size), "cache-control": RETOLD})


@get(
    "/log/consistency",
    permission=Permission.SEE_ANSWERS,
    summary="The proof that the log only grew between two sizes",
    judged=False,
    sync_to_thread=True,
)
def prove_consistency(
    visit: NamedDependency[Visit],
    first: Annotated[
        int, QueryParameter(name="from", ge=0, le=SIZE_MAX, description="Entries of the earlier")
    ],
    second: Annotated[
        int | None,
        QueryParameter(
            name="to",
            ge=0,
            le=SIZE_MAX,
            description="Entries of the later; absent: what the newest checkpoint covers",
        ),
    ] = None,
) -> Response[ConsistencyAnswer]:
    """Any two sizes that the newest checkpoint covers; it and its proof bind their roots."""
    sealed = sealed_log_of(visit.opened)
    if sealed is None:
        raise NotSealedYet
    to = sealed.size if second is None else second
    if to > sealed.size:
        raise Invalid.field("to", f"the newest checkpoint covers {sealed.size} facts")
    if first > to:
        raise Invalid.field("from", f"must be the earlier of the two sizes, at most {to}")
    tree = sealed.tree(to)
    # Every log begins with the empty one: there is nothing to prove.
    hashes = tree.consistency(first) if first else []
    content = ConsistencyAnswer(
        from_=_answer(sealed.tree(first)),
        to=_answer(tree),
        proof=tuple(map(_base64, hashes)),
    )
    return Response(content, headers={"ledger-position": str(to), "cache-control": RETOLD})


def _answer(tree: TileTree) -> TreeAnswer:
    return TreeAnswer(tree.size, _base64(tree.root()))


def _base64(hashed: bytes) -> str:
    return b64encode(hashed).decode()


router: Final = Router("/", route_handlers=[prove_event, show_log, prove_consistency], tags=["log"])
