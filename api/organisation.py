"""Units, posts, people, appointments and delegations: commands, then the organisation as it was."""

from typing import Any, Final

from api.auth import Permission
from api.writing import Door, command_router
from ledger.decisions import organisation as o

_REASON: Final = {"code": "transfer"}
_AT: Final = "2026-04-01T00:00:00+08:00"
_UNTIL: Final = "2026-05-01T00:00:00+08:00"


def _door(command: type[Any], summary: str, **example: object) -> Door:
    return Door(command, Permission.WRITE_ORGANISATION, summary, example)


_UNITS: Final = (
    _door(
        o.EstablishUnit,
        "Establish a unit",
        unit="330100-01",
        level="outlet",
        name_zh="西湖网点",
        name_en="Xihu outlet",
        parent="330100",
        effective_from=_AT,
    ),
    _door(
        o.RenameUnit, "Rename a unit", unit="330100-01", name_zh="西湖一部", name_en="Xihu No. 1"
    ),
    _door(o.ReparentUnit, "Move a unit", unit="330100-01", parent="330200", effective_from=_AT),
    _door(o.CloseUnit, "Close a unit", unit="330100-01", effective_from=_AT),
    _door(o.ReopenUnit, "Reopen a unit", unit="330100-01", effective_from=_AT),
    _door(o.SuspendUnit, "Suspend a unit", unit="330100-01", effective_from=_AT),
    _door(o.ResumeUnit, "Resume a unit", unit="330100-01", effective_from=_AT),
    _door(o.MergeUnit, "Merge a unit into another", unit="330100-01", into="330100-02"),
    _door(o.AttachSupport, "Attach a support unit", unit="330100-01", supporter="330000-s"),
    _door(o.DetachSupport, "Detach a support unit", unit="330100-01", supporter="330000-s"),
)
_POSTS: Final = (
    _door(
        o.EstablishPost,
        "Establish a post",
        post="330100-01-head",
        unit="330100-01",
        role="head",
        title_zh="网点负责人",
        title_en="Outlet head",
    ),
    _door(o.AbolishPost, "Abolish a post", post="330100-01-clerk"),
    _door(
        o.ChangeSuperior,
        "Change a post's superior",
        post="330100-01-head",
        superior="330100-head",
    ),
    _door(
        o.AppointHolder,
        "Appoint a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        effective_from=_AT,
        by="330100-head",
    ),
    _door(
        o.RelieveHolder,
        "Relieve a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        effective_from=_AT,
        cause="transferred",
    ),
    _door(
        o.SuspendHolder,
        "Suspend a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        reason=_REASON,
    ),
    _door(
        o.ReinstateHolder,
        "Reinstate a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
    ),
    _door(
        o.AppointActing,
        "Appoint an interim holder",
        post="330100-01-head",
        person="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        effective_from=_AT,
        effective_until=_UNTIL,
        by="330100-head",
    ),
    _door(
        o.ExtendActing,
        "Extend an interim appointment",
        post="330100-01-head",
        person="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        effective_until=_UNTIL,
    ),
    _door(
        o.EndActing,
        "End an interim appointment",
        post="330100-01-head",
        person="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
    ),
    _door(
        o.GrantDelegation,
        "Delegate powers of a post",
        post="330100-01-head",
        delegate="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        powers=["reporting"],
        effective_from=_AT,
        effective_until=_UNTIL,
    ),
    _door(
        o.AcceptDelegation,
        "Accept a delegation",
        delegation="019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40",
        post="330100-01-head",
    ),
    _door(
        o.DeclineDelegation,
        "Decline a delegation",
        delegation="019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40",
        post="330100-01-head",
    ),
    _door(
        o.RevokeDelegation,
        "Revoke a delegation",
        delegation="019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40",
        post="330100-01-head",
    ),
)
_PEOPLE: Final = (
    _door(
        o.RegisterPerson,
        "Register a person",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        name="王小明",
        number="A0012345",
    ),
    _door(
        o.DepartPerson,
        "Record a departure",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        cause="resigned",
        effective_from=_AT,
    ),
    _door(
        o.RecordLeave,
        "Record leave",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        kind="annual",
        effective_from=_AT,
        effective_until=_UNTIL,
    ),
    _door(
        o.ListHandoverItem,
        "List an obligation in a handover",
        post="330100-01-head",
        obligation="weekly.330100-01.2026W14",
        outgoing="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        incoming="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
    ),
    _door(
        o.CompleteHandover,
        "Sign for a handover",
        post="330100-01-head",
        outgoing="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        incoming="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        items=["weekly.330100-01.2026W14"],
    ),
)

commands: Final = command_router("organisation", (*_UNITS, *_POSTS, *_PEOPLE))
