"""Rulings 18 to 24: extensions and waivers, asked for, granted, refused or never decided."""

from ledger.events import duties
from tests.rulings.ruling import A_APPOINTED, A_DIRECT, A_PATH, Ruling, held_by_a
from tests.scenario import MONTHLY, Scenario, wall


def asked_for_more(scenario: Scenario, at: str = "2026-04-08 10:00") -> Scenario:
    """A asks for an extension to the 13th."""
    return held_by_a(scenario).say(
        "asked",
        at,
        duties.ExtensionRequested(
            extension="x1",
            obligation=MONTHLY,
            post="O-head",
            requested_due=wall("2026-04-13 18:01"),
        ),
        person="A",
    )


def granted(scenario: Scenario, at: str, by: str = "S-head", person: str = "s-chief") -> Scenario:
    """The extension is granted until the 13th."""
    fact = duties.ExtensionGranted(
        extension="x1", obligation=MONTHLY, due=wall("2026-04-13 18:01"), granted_by=by
    )
    return scenario.say("granted", at, fact, person=person, post=by)


def refused(scenario: Scenario, at: str) -> Scenario:
    """The extension is refused."""
    fact = duties.ExtensionRefused(extension="x1", obligation=MONTHLY, refused_by="S-head")
    return scenario.say("refused", at, fact, person="s-chief", post="S-head")


def waived(scenario: Scenario, at: str) -> Scenario:
    """The sub-branch waives the report."""
    fact = duties.WaiverGranted(waiver="w1", obligation=MONTHLY, granted_by="S-head")
    return held_by_a(scenario).say("waived", at, fact, person="s-chief", post="S-head")


RELIEVING = [
    Ruling(
        number=18,
        title="asked in time and granted within three working days counts as prior",
        story=lambda s: granted(asked_for_more(s), "2026-04-10 10:00").submit("2026-04-13 10:00"),
        asked="2026-04-14 09:00",
        outcome="on_time",
        due="2026-04-13 18:01",
        received="2026-04-13 10:00",
        reliefs=(("extension", "prior"),),
        cites=("asked", "granted", "submitted"),
    ),
    Ruling(
        number=18,
        title="meanwhile the finding is held pending",
        story=asked_for_more,
        asked="2026-04-10 09:00",
        outcome="pending",
        pending="relief",
        reliefs=(("extension", "pending"),),
        cites=("asked",),
    ),
    Ruling(
        number=19,
        title="refused after the due: late, but excused within a working day of the refusal",
        story=lambda s: refused(asked_for_more(s), "2026-04-10 10:00").submit("2026-04-13 17:00"),
        asked="2026-04-15 09:00",
        outcome="late",
        kind="late",
        received="2026-04-13 17:00",
        excused=("slow_decision",),
        reliefs=(("extension", "refused_late"),),
        persons=(*A_DIRECT, ("management", "relief_decided_late", "s-chief")),
        path=A_PATH,
        cites=("asked", "refused", "submitted", A_APPOINTED),
    ),
    Ruling(
        number=20,
        title="asked in time and never decided: excused, and the decider answers",
        story=asked_for_more,
        asked="2026-04-20 09:00",
        excused=("undecided_relief",),
        reliefs=(("extension", "undecided"),),
        persons=(*A_DIRECT, ("management", "relief_undecided", "s-chief")),
        path=A_PATH,
        cites=("asked", A_APPOINTED, "O", "S-head"),
    ),
    Ruling(
        number=21,
        title="granted after the due: the miss stands, mitigated, late within the extension",
        story=lambda s: granted(held_by_a(s), "2026-04-09 10:00").submit("2026-04-13 10:00"),
        asked="2026-04-14 09:00",
        outcome="late",
        kind="late",
        received="2026-04-13 10:00",
        mitigated=("extension_after_due",),
        reliefs=(("extension", "posterior"),),
        persons=A_DIRECT,
        path=A_PATH,
        flags=("within_extension",),
        cites=("granted", "submitted", A_APPOINTED),
    ),
    Ruling(
        number=23,
        title="an extension that the obligor grants himself is void",
        story=lambda s: granted(asked_for_more(s), "2026-04-08 11:00", person="A"),
        reliefs=(("extension", "void"),),
        persons=A_DIRECT,
        path=A_PATH,
        cites=("asked", "granted", A_APPOINTED),
    ),
    Ruling(
        number=24,
        title="a waiver before the due leaves the denominator, listed as exempt",
        story=lambda s: waived(s, "2026-04-07 10:00"),
        outcome="exempt",
        expectation="waived",
        reliefs=(("waiver", "prior"),),
        cites=("waived",),
    ),
    Ruling(
        number=24,
        title="a waiver after the due excuses, and keeps the denominator",
        story=lambda s: waived(s, "2026-04-09 10:00"),
        excused=("waived_after_due",),
        reliefs=(("waiver", "posterior"),),
        persons=A_DIRECT,
        path=A_PATH,
        cites=("waived", A_APPOINTED),
    ),
]
