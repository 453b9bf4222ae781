"""Everything that may be decided about units, posts and people.

Read `units.py`, `posts.py`, `holders.py`, `acting.py`, `delegations.py`, `people.py`, and
`annulment.py` for what was entered by mistake; `ledger/decisions/dated.py` is what they share.
"""

from ledger.decisions.organisation.acting import AppointActing, EndActing, ExtendActing
from ledger.decisions.organisation.annulment import AnnulFact, annulment_of
from ledger.decisions.organisation.delegations import (
    AcceptDelegation,
    DeclineDelegation,
    GrantDelegation,
    RevokeDelegation,
)
from ledger.decisions.organisation.holders import (
    AppointHolder,
    ReinstateHolder,
    RelieveHolder,
    SuspendHolder,
)
from ledger.decisions.organisation.people import (
    CompleteHandover,
    DepartPerson,
    ListHandoverItem,
    RecordLeave,
    RegisterPerson,
)
from ledger.decisions.organisation.posts import AbolishPost, ChangeSuperior, EstablishPost
from ledger.decisions.organisation.units import (
    AttachSupport,
    CloseUnit,
    DetachSupport,
    EstablishUnit,
    MergeUnit,
    RenameUnit,
    ReopenUnit,
    ReparentUnit,
    ResumeUnit,
    SuspendUnit,
)

__all__ = [
    "AbolishPost",
    "AcceptDelegation",
    "AnnulFact",
    "AppointActing",
    "AppointHolder",
    "AttachSupport",
    "ChangeSuperior",
    "CloseUnit",
    "CompleteHandover",
    "DeclineDelegation",
    "DepartPerson",
    "DetachSupport",
    "EndActing",
    "EstablishPost",
    "EstablishUnit",
    "ExtendActing",
    "GrantDelegation",
    "ListHandoverItem",
    "MergeUnit",
    "RecordLeave",
    "RegisterPerson",
    "ReinstateHolder",
    "RelieveHolder",
    "RenameUnit",
    "ReopenUnit",
    "ReparentUnit",
    "ResumeUnit",
    "RevokeDelegation",
    "SuspendHolder",
    "SuspendUnit",
    "annulment_of",
]
