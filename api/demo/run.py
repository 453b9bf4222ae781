"""`ledger demo`: load the demonstration unless it is there, print what to look at, serve it.

A load that was cut short is taken up where it broke off: the story is told anew from its seed,
and what is recorded already is compared instead of appended.
"""

import threading
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from msgspec.structs import replace

from api.commands.opening import Opened
from api.demo import summary
from api.demo.answers import Answers
from api.demo.cases import plant
from api.demo.cases.plot import Plot
from api.demo.codes import duty_id
from api.demo.founding import eve, founding, seal
from api.demo.network import OWNER_POST, build
from api.demo.scales import SCALES, SEED, Scale
from api.demo.simulation import Simulation
from api.demo.story import Act, midnight
from api.demo.year import changes
from api.progress import Progress
from ledger.bulk import BATCH_EVENTS, Bulk, seeded_ids
from ledger.database import Database, open_database
from ledger.decisions.duties import PublishDuty
from ledger.events.duties import DueRule, DutyPublished
from ledger.founding import found_ledger
from ledger.migrate import migrate
from ledger.recorder import Item
from ledger.sealed import PersonalKeys, SealedStore
from ledger.sealing.guard import guard_of
from ledger.settings import Settings
from ledger.vocabulary import Cadence, FormRef, Level, Stage, UnitRef

FIRST_POSITION: Final = 1
"""The fact that founds the ledger stands here before the story begins."""

CLOSING_DUTY: Final = duty_id("kickoff-weekly")
"""Published last of all: a ledger that holds it holds the whole story."""

KICKOFF: Final = date(2027, 1, 4)
WATCH_SECONDS: Final = 0.5


def run(settings: Settings, scale: str, *, serve: bool) -> None:
    """Load, print, and (if asked) serve until interrupted."""
    settings = replace(settings, console_open=True, log_public=True)
    database = open_database(settings)
    try:
        migrate(database)
        opened = _loaded(settings, database, SCALES[scale])
        try:
            _project(opened)
            summary.tell(opened, settings, serves=serve)
        finally:
            opened.recorder.close()
        if serve:
            _serve(settings)
    finally:
        database.close()


def _serve(settings: Settings) -> None:
    from api.server import serve as serve_until_interrupted  # noqa: PLC0415  (slow to import)

    serve_until_interrupted(settings, lambda address: summary.say(f"serving {address}"))


def _loaded(settings: Settings, database: Database, scale: Scale) -> Opened:
    began = eve(scale)
    info = found_ledger(
        database,
        settings.name,
        simulated=True,
        now=began,
        new_id=seeded_ids(f"founding-{SEED}"),
        guard=guard_of(settings, settings.name),
    )
    opened = Opened(settings, database, info)
    if is_complete(opened):
        summary.say(f"ledger {info.name!r} holds the demonstration already")
        return opened
    started = time.monotonic()
    with Progress(f"loading the demonstration ({scale.name})", scale.facts) as shown:
        count = load(opened, scale, shown.advance)
    summary.say(f"{count:,} facts recorded in {time.monotonic() - started:.0f} s")
    return opened


def is_complete(opened: Opened) -> bool:
    """Whether the whole story stands in the ledger already."""
    closing = Item(types=(DutyPublished.TOPIC,), tags=(f"duty:{CLOSING_DUTY}",))
    return bool(opened.recorder.read((closing,), limit=1).events)


def load(
    opened: Opened,
    scale: Scale,
    on_recorded: Callable[[int], None] = lambda _count: None,
    *,
    seed: int = SEED,
    batch_events: int = BATCH_EVENTS,
) -> int:
    """Tell the story of a scale into a founded ledger; how many facts it has."""
    network = build(scale, seed)
    plot = plant(network)
    acts = [*_from_the_eve(plot, scale), *changes(network, scale, seed), _last_act(scale)]
    sealed = seal(network, _store(opened, seed))
    with Bulk(
        opened.log,
        batch_events=batch_events,
        on_recorded=on_recorded,
        retell_after=FIRST_POSITION,
    ) as bulk:
        simulation = Simulation(bulk, Answers(plot, seed), seed)
        simulation.plan(founding(network, scale, sealed))
        simulation.plan(acts)
        simulation.tell(ending(scale))
    return bulk.recorded


def ending(scale: Scale) -> datetime:
    """The instant of the last fact: half past five in the afternoon of the last day."""
    return midnight(scale.last_day) + timedelta(hours=17, minutes=30)


def _last_act(scale: Scale) -> Act:
    """The company looks ahead to the new year; with this the story ends."""
    publish = PublishDuty(
        duty=CLOSING_DUTY,
        title_zh="2027年开门红周报",
        title_en="New-year kickoff 2027, weekly",
        form=FormRef("weekly"),
        cadence=Cadence.WEEKLY,
        due=DueRule(1),
        owner=OWNER_POST,
        scope=UnitRef("HQ"),
        levels=(Level.OUTLET,),
        stages=(Stage.NEW, Stage.ESTABLISHED),
        first_period=KICKOFF,
    )
    return Act(at=ending(scale), do=publish)


def _from_the_eve(plot: Plot, scale: Scale) -> list[Act]:
    """The planted acts; what came before the ledger is told on its eve, in force from then."""
    began = eve(scale)
    return [act if act.at >= began else replace(act, at=began) for act in plot.acts]


def _store(opened: Opened, seed: int) -> SealedStore:
    """Where names are sealed; the commitments are drawn from the seed, the keys are not."""
    keys = PersonalKeys(Path(opened.settings.home) / "keys", opened.info.name)
    draw = Random(f"seals-{seed}").randbytes  # noqa: S311  (made-up names, the same each time)
    return SealedStore(opened.database, opened.info.ledger_id, keys, draw)


def _project(opened: Opened) -> None:
    """Bring the views up to the last fact, and show how far they are."""
    head, done = opened.recorder.head().position, threading.Event()
    if opened.projected() == head:
        return
    with Progress("projecting", head) as shown:

        def watch() -> None:
            while not done.wait(WATCH_SECONDS):
                shown.reach(max(0, opened.projected()))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            opened.bring_views_up()
        finally:
            done.set()
            watcher.join()
        shown.reach(head)
