"""A fold's fingerprint: what changes it, what does not, and that the register knows every fold.

`python -m tests.unit.test_fingerprints` enters the present folds into
`projections/building/folds.toml`.
"""

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from ledger import codec
from ledger.events.organisation import HolderRelieved, UnitRenamed
from ledger.events.reports import ReportSubmitted
from projections.building import fingerprints, reaching
from projections.building.fingerprints import REGISTER, Folds, fingerprint_of, fold_alike, register
from projections.editions import EDITIONS
from projections.obligations import OBLIGATIONS
from projections.organisation import ORGANISATION
from projections.tables import Projection, Table
from projections.views import VIEWS
from tests.projecting import Cell, Cells, Totals

HEAD = """# Folds that make the same rows from the same facts, by fingerprint.
# Entered by `python -m tests.unit.test_fingerprints`: CONTRIBUTING.md, "Changing a fold".
"""

Told = Callable[..., Projection]

FOLD = '''
"""A view in a file of its own."""

import msgspec
from datetime import timedelta
from functools import cached_property

from projections.tables import Table
from reached.words import spoken, unspoken

LIMIT = 3
OTHER = 4


class Row(msgspec.Struct, frozen=True):
    """One."""

    name: str

    def loud(self) -> str:
        """A question that the fold asks."""
        return spoken(self.name)

    def quiet(self) -> str:
        """A question that nobody asks in a fold."""
        return unspoken(self.name)


ROW = Table("row", Row, key=("name",))


def longer(text: str) -> str:
    # Not said in the fold itself.
    return text * LIMIT


class View:
    """Folds."""

    name = "view"
    version = 1
    tables = (ROW,)
    types = frozenset({"report.submitted"})
    times = 2

    def reads(self, event):
        return ()

    def fold(self, event, rows):
        """Once."""
        rows.put(ROW, Row(longer(self._of(event)) * self.often))

    @cached_property
    def often(self):
        return self.times + 1

    def _of(self, event):
        return Row("x").loud()

    def _besides(self):
        return OTHER
'''

WORDS = """
def spoken(text):
    return text.upper()


def unspoken(text):
    return text.lower()
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Makes the view of a source text, in a package of its own with some other words."""

    def forget() -> None:
        for name in ("reached", "reached.view", "reached.words"):
            sys.modules.pop(name, None)
        reaching._source.cache_clear()

    def tell(view: str = FOLD, words: str = WORDS) -> Projection:
        forget()
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        (folder / "reached").mkdir()
        for name, text in (("__init__", ""), ("view", view), ("words", words)):
            (folder / "reached" / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(folder)
        made: Projection = importlib.import_module("reached.view").View()
        return made

    yield tell
    forget()


SAME = {
    "a comment": ("# Not said", "# Now it is said"),
    "a docstring": ('"""Once."""', '"""Twice."""'),
    "an attribute that no fold asks for": ("return OTHER", "return OTHER + 1"),
    "a constant that no fold names": ("OTHER = 4", "OTHER = 5"),
    "a question that no fold asks": ("return unspoken(self.name)", "return self.name"),
    "what the fold says about types": ("def longer(text: str) -> str:", "def longer(text):"),
    "the layout": ("rows.put(ROW, Row(", "rows.put(\n            ROW, Row("),
    "what is named to be fetched": ("return ()", "return ((ROW, ('x',)),)"),
    "an import that nobody uses": ("from datetime import timedelta", "from datetime import time"),
}
OTHERWISE = {
    "the fold": ("rows.put(ROW,", "rows.remove(ROW, 'x') or rows.put(ROW,"),
    "a function that it calls": ("text * LIMIT", "LIMIT * text"),
    "a constant that a function uses": ("LIMIT = 3", "LIMIT = 2"),
    "a method that it calls": ('Row("x")', 'Row("y")'),
    "an attribute of its class that it asks for": ("times = 2", "times = 3"),
    "a property that it asks for": ("self.times + 1", "self.times - 1"),
    "a row's method that it asks": ("return spoken(self.name)", "return self.name"),
    "a row's field": ("    name: str\n", "    name: str = ''\n"),
    "what is imported under a name": (
        "import spoken, unspoken",
        "import unspoken as spoken, spoken as unspoken",
    ),
    "the types heard": ('"report.submitted"', '"report.returned"'),
    "the table": ('key=("name",)', 'key=("name",), indexed=((),)'),
}


@pytest.mark.parametrize("what", SAME)
def test_what_makes_no_other_row_is_the_same_fold(told: Told, what: str) -> None:
    """Words, layout and code that no fold reaches leave the fingerprint as it is."""
    before, after = SAME[what]
    assert before in FOLD
    assert fingerprint_of(told()) == fingerprint_of(told(FOLD.replace(before, after)))


@pytest.mark.parametrize("what", OTHERWISE)
def test_what_may_make_another_row_is_another_fold(told: Told, what: str) -> None:
    """Whatever the fold reaches, in its own file or another, is part of its fingerprint."""
    before, after = OTHERWISE[what]
    assert before in FOLD
    assert fingerprint_of(told()) != fingerprint_of(told(FOLD.replace(before, after)))


def test_the_fold_is_followed_into_other_files(told: Told) -> None:
    """A changed function of another module counts where the fold reaches it, and only there."""
    mine = fingerprint_of(told())
    assert fingerprint_of(told(words=WORDS.replace("lower", "title"))) == mine
    assert fingerprint_of(told(words=WORDS.replace("upper", "title"))) != mine


def reached(projection: Projection) -> set[tuple[str, str]]:
    """The definitions that a projection's fold reaches."""
    reach = reaching.Reach()
    reach.follow_method(type(projection), "fold")
    reach.follow(vars(projection))
    return {*reach.found}


def test_a_fold_reaches_what_it_needs_and_nothing_else() -> None:
    """Dossiers are folded by the model's functions; their questions are asked by others."""
    organisation = reached(ORGANISATION)
    assert ("ledger.model.organisation.folding", "fold_unit") in organisation
    assert ("ledger.model.organisation.folding", "_at") in organisation
    assert ("ledger.model.dossier", "without") in organisation
    assert ("ledger.events.organisation", "UnitRenamed") in organisation
    assert ("ledger.entry", "Event.effective_from") in organisation
    assert ("ledger.vocabulary", "UnitKind") in organisation
    modules = {module for module, _ in organisation}
    assert not modules & {
        "ledger.model.obligations.folding",
        "ledger.model.organisation.questions",
        "ledger.model.expectation",
        "projections.saving",
    }
    assert ("ledger.model.obligations.folding", "fold_obligation") in reached(OBLIGATIONS)
    assert not any(module.startswith("ledger.model") for module, _ in reached(EDITIONS))


def test_a_fold_given_to_an_instance_counts() -> None:
    """What an instance holds is part of what it folds, a class within a function too."""

    class Otherwise(Cells):
        def fold(self, event: object, rows: object) -> None:
            del event, rows

    class Likewise(Cells):
        pass

    mine = fingerprint_of(Cells())
    assert fingerprint_of(Cells()) == mine
    assert fingerprint_of(Likewise()) == mine
    assert fingerprint_of(Otherwise()) != mine
    assert fingerprint_of(Cells(after=lambda event: event.position)) != mine
    assert fingerprint_of(Cells(name="others")) != mine
    assert fingerprint_of(Cells(cell=Table("cell", Cell, key=("name",)))) != mine
    assert fingerprint_of(Totals()) != mine


def test_which_fold_hears_of_which_fact_counts() -> None:
    """The same folds and facts put together otherwise are another fold."""

    def heard(change: Callable[[dict[Any, dict[str, Any]]], None]) -> str:
        other = copy(ORGANISATION)
        other._hearing = {fact: {**kinds} for fact, kinds in ORGANISATION._hearing.items()}
        change(other._hearing)
        return fingerprint_of(other)

    def exchange(hearing: dict[Any, dict[str, Any]]) -> None:
        for kinds in hearing.values():
            if {"unit", "post"} <= {*kinds}:
                kinds["unit"], kinds["post"] = kinds["post"], kinds["unit"]

    def hear_more(hearing: dict[Any, dict[str, Any]]) -> None:
        hearing[HolderRelieved]["unit"] = hearing[UnitRenamed]["unit"]

    mine = fingerprint_of(ORGANISATION)
    assert heard(lambda _hearing: None) == mine
    assert heard(exchange) != mine
    assert heard(hear_more) != mine


def test_an_upcaster_is_part_of_the_folds_that_hear_of_its_fact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fact lifted otherwise is folded otherwise."""
    cells, editions = fingerprint_of(Cells()), fingerprint_of(EDITIONS)
    monkeypatch.setitem(codec.UPCASTERS, (ReportSubmitted.TOPIC, 1), lambda data: {**data})
    assert fingerprint_of(Cells()) != cells
    assert fingerprint_of(EDITIONS) == editions


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    """Neither hash seeds nor the order of imports have a say."""
    program = (
        "from projections.building.fingerprints import fingerprint_of\n"
        "from projections.obligations import OBLIGATIONS\n"
        "print(fingerprint_of(OBLIGATIONS))"
    )
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            cwd=REGISTER.parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == fingerprint_of(OBLIGATIONS)


def test_the_register_says_which_fold_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two fingerprints that stand together under the version fold alike, and no others do."""
    file = tmp_path / "folds.toml"
    file.write_text('[cells]\nversion = 1\nalike = ["a", "b"]\n')
    monkeypatch.setattr(fingerprints, "REGISTER", file)
    register.cache_clear()
    try:
        assert fold_alike(Cells(), "a", "b")
        assert fold_alike(Cells(), "c", "c")
        assert not fold_alike(Cells(), "a", "c")
        assert not fold_alike(Cells(version=2), "a", "b")
        assert not fold_alike(Totals(), "a", "b")
    finally:
        register.cache_clear()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_fold_is_in_the_register(view: Projection) -> None:
    """A change of a fold is decided on by whoever makes it, not found by whoever installs it."""
    known = register().get(view.name, Folds(0, ()))
    assert (known.version, known.alike[-1:]) == (view.version, (fingerprint_of(view),)), (
        f"the fold of view {view.name} was changed, or something that it reaches. If some fact "
        f"may now make another row than before, raise its version from {known.version} to "
        f"{known.version + 1}; if every fact makes the same rows, keep it. Then run `python -m "
        "tests.unit.test_fingerprints`, which enters the fingerprint, and commit folds.toml "
        '(CONTRIBUTING.md, "Changing a fold")'
    )


def _entered() -> str:
    """The register with the present folds in it."""
    parts = [HEAD]
    for view in VIEWS:
        known = register().get(view.name)
        alike = known.alike if known and known.version == view.version else ()
        mine = fingerprint_of(view)
        lines = "".join(f'    "{one}",\n' for one in (*(x for x in alike if x != mine), mine))
        parts.append(f"[{view.name}]\nversion = {view.version}\nalike = [\n{lines}]\n")
    return "\n".join(parts)


if __name__ == "__main__":
    REGISTER.write_text(_entered(), encoding="utf-8")
