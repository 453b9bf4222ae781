"""Extensions, waivers and the late channel: asked by who owes, decided on the management line."""

from typing import Final

from api.auth import Permission
from api.writing import Door, command_router
from ledger.decisions import relief as r

_OBLIGATION: Final = "weekly.330100-01.2026W14"
_RELIEF: Final = "019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f41"
_DUE: Final = "2026-04-10T18:01:00+08:00"
_ASKED: Final = {"obligation": _OBLIGATION, "reason": {"code": "system_migration"}}
_DECIDED: Final = {**_ASKED, "by": "330100-head"}
_ASK: Final = Permission.ASK_RELIEF
_GIVE: Final = Permission.GIVE_RELIEF

commands: Final = command_router(
    "relief",
    (
        Door(
            r.RequestExtension,
            _ASK,
            "Ask for an extension",
            {**_ASKED, "requested_due": _DUE},
        ),
        Door(r.RequestWaiver, _ASK, "Ask for a waiver", _ASKED),
        Door(
            r.WithdrawExtension,
            _ASK,
            "Withdraw a request for an extension",
            {**_ASKED, "extension": _RELIEF},
        ),
        Door(
            r.GrantExtension,
            _GIVE,
            "Grant an extension",
            {**_DECIDED, "due": _DUE, "extension": _RELIEF},
        ),
        Door(
            r.RefuseExtension,
            _GIVE,
            "Refuse an extension",
            {**_DECIDED, "extension": _RELIEF},
        ),
        Door(r.GrantWaiver, _GIVE, "Grant a waiver", {**_DECIDED, "waiver": _RELIEF}),
        Door(r.RefuseWaiver, _GIVE, "Refuse a waiver", {**_DECIDED, "waiver": _RELIEF}),
        Door(r.RevokeWaiver, _GIVE, "Revoke a waiver", {**_DECIDED, "waiver": _RELIEF}),
        Door(
            r.OpenLateChannel,
            _GIVE,
            "Open the late channel",
            {**_DECIDED, "until": "2026-05-10T18:00:00+08:00"},
        ),
        Door(r.CloseLateChannel, _GIVE, "Close the late channel", _DECIDED),
        Door(r.AnnulRelief, _GIVE, "Annul a relief", {**_DECIDED, "relief": _RELIEF}),
    ),
)
