"""Rulings 1 to 17: who answers for a miss, and who only led."""

from typing import Any

from ledger.events import organisation
from ledger.vocabulary import Power
from tests.rulings.ruling import A_APPOINTED, A_DIRECT, A_PATH, S_APPOINTED, Ruling, held_by_a
from tests.scenario import MONTHLY, Scenario


def a_until(scenario: Scenario, left: str, came: str, **more: Any) -> Scenario:
    """A leaves and B follows."""
    held_by_a(scenario).relieve("O-head", "A", left, received="2026-04-02 10:00")
    return scenario.appoint("O-head", "B", came, received="2026-04-02 10:05", **more)


def delegated(scenario: Scenario, *powers: Power, accepted: bool, leave: bool = True) -> Scenario:
    """A delegates to C over the due, on leave or not."""
    held_by_a(scenario)
    scenario.say(
        "granted to C",
        "2026-04-01 09:00",
        organisation.DelegationGranted(
            delegation="d1", post="O-head", principal="A", delegate="C", powers=powers
        ),
        until="2026-04-20 00:00",
    )
    if accepted:
        answer = organisation.DelegationAccepted(delegation="d1", post="O-head", delegate="C")
        scenario.say("C accepted", "2026-04-01 10:00", answer)
    if leave:
        scenario.say(
            "A on leave",
            "2026-04-01 11:00",
            organisation.LeaveRecorded(person="A", kind="annual"),
            effective="2026-04-02 00:00",
            until="2026-04-16 00:00",
        )
    return scenario


def acting(scenario: Scenario, start: str, until: str, *, said: str | None = None) -> Scenario:
    """A leaves at the start; I is interim head until then, put there by the sub-branch."""
    held_by_a(scenario).relieve("O-head", "A", start)
    fact = organisation.ActingAppointed(post="O-head", person="I", appointed_by="S-head")
    return scenario.say("I acting", said or start, fact, effective=start, until=until)


VACANT_TO_S = (("O-head", "vacant"), ("S-head", "holder"))
CLIMB_CITES = ("O", "S-head", S_APPOINTED, "A left O-head", A_APPOINTED)


ANSWERING = [
    Ruling(
        number=1,
        title="the holder at the due answers, not who holds the post when it is detected",
        story=lambda s: a_until(s, "2026-04-09 00:00", "2026-04-09 00:00"),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=2,
        title="a gap at the due climbs, and says who left it",
        story=lambda s: a_until(s, "2026-04-08 12:00", "2026-04-09 00:00"),
        persons=(("direct", "vacancy", "s-chief"), ("noted", "left_the_post_empty", "A")),
        path=VACANT_TO_S,
        cites=CLIMB_CITES,
    ),
    Ruling(
        number=3,
        title="a holder appointed on the due day without a handover: who ordered the change",
        story=lambda s: a_until(s, "2026-04-08 00:00", "2026-04-08 00:00", by="S-head"),
        persons=(
            ("direct", "ordered_the_change", "s-chief"),
            ("noted", "appointed_too_late", "B"),
            ("noted", "left_before_due", "A"),
        ),
        path=A_PATH,
        cites=("B appointed to O-head", "A left O-head", A_APPOINTED),
    ),
    Ruling(
        number=3,
        title="a renewal days before the due is no change of holder",
        story=lambda s: (
            s.appoint("O-head", "A", "2024-01-01 00:00", until="2026-04-07 00:00")
            .say(
                "renewed",
                "2026-04-07 00:00",
                organisation.HolderAppointed(post="O-head", person="A", appointed_by="S-head"),
            )
            .open()
        ),
        persons=(("direct", "holder", "A"),),
        path=(("O-head", "holder"),),
        cites=("renewed",),
    ),
    Ruling(
        number=4,
        title="the same, but the handover listed it and B signed",
        story=lambda s: a_until(s, "2026-04-08 00:00", "2026-04-08 00:00").say(
            "signed",
            "2026-04-08 08:00",
            organisation.HandoverCompleted(
                post="O-head", outgoing="A", incoming="B", items=(MONTHLY,)
            ),
        ),
        persons=(("direct", "holder", "B"),),
        path=A_PATH,
        cites=("B appointed to O-head",),
    ),
    Ruling(
        number=5,
        title="who resigned after the due stays direct",
        story=lambda s: held_by_a(s).say(
            "A resigned",
            "2026-04-09 09:00",
            organisation.PersonDeparted(person="A", cause="resigned"),
        ),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=6,
        title="on leave with an accepted delegation: the delegate, and A retains",
        story=lambda s: delegated(s, Power.REPORTING, accepted=True),
        persons=(("direct", "delegation_on_leave", "C"), ("retained", "principal", "A")),
        path=A_PATH,
        cites=(A_APPOINTED, "granted to C", "C accepted", "A on leave"),
    ),
    Ruling(
        number=6,
        title="an accepted delegation without leave is noted, and moves nothing",
        story=lambda s: delegated(s, Power.REPORTING, accepted=True, leave=False),
        persons=(*A_DIRECT, ("noted", "delegate", "C")),
        path=A_PATH,
        cites=(A_APPOINTED, "granted to C", "C accepted"),
    ),
    Ruling(
        number=7,
        title="a delegation that was never accepted changes nothing",
        story=lambda s: delegated(s, Power.REPORTING, accepted=False),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=8,
        title="a delegation of approvals only changes nothing",
        story=lambda s: delegated(s, Power.APPROVALS, accepted=True),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=11,
        title="an interim is direct, and who appointed them carries management responsibility",
        story=lambda s: acting(s, "2026-03-01 00:00", "2026-06-01 00:00"),
        persons=(("direct", "acting", "I"), ("management", "appointed_acting", "s-chief")),
        path=(("O-head", "acting"),),
        cites=("I acting",),
    ),
    Ruling(
        number=12,
        title="an interim beyond six months has lapsed: climb, and say so",
        story=lambda s: acting(s, "2025-09-01 00:00", "2026-12-01 00:00"),
        persons=(
            ("direct", "vacancy", "s-chief"),
            ("noted", "left_the_post_empty", "A"),
            ("management", "long_vacancy", "s-chief"),
        ),
        path=(("O-head", "acting_overdue"), ("S-head", "holder")),
        flags=("acting_overdue", "long_vacancy"),
        cites=CLIMB_CITES,
    ),
    Ruling(
        number=15,
        title="two overlapping appointments are the appointer's defect until corrected",
        story=lambda s: held_by_a(s).appoint(
            "O-head", "B", "2026-01-01 00:00", by="S-head", by_person="s-chief"
        ),
        persons=(("management", "overlapping_appointments", "s-chief"),),
        path=(("O-head", "disputed"),),
        flags=("data_defect",),
        cites=(A_APPOINTED, "B appointed to O-head"),
    ),
    Ruling(
        number=17,
        title="a holder who died on the due day is excused, and nobody answers by climbing",
        story=lambda s: held_by_a(s).say(
            "A died", "2026-04-08 11:00", organisation.PersonDeparted(person="A", cause="died")
        ),
        excused=("incapacitated",),
        persons=(("noted", "died", "A"),),
        path=(("O-head", "vacant"),),
        flags=("incapacitated",),
        cites=(A_APPOINTED, "A died"),
    ),
]
