"""What codes are called, joined to an answer once: units, posts, duties, in both languages.

Names of persons are never in a view. An answer lists the persons it mentions, and the door that
may show them fills their names in, all in one reading of the sealed store.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace

from ledger.attribution import Attribution
from ledger.sealed import Mark, SealedStore
from ledger.vocabulary import Level, UnitRef
from projections.background import Background


class Label(msgspec.Struct, frozen=True):
    """A thing's name in both languages."""

    zh: str
    en: str


class UnitLabel(msgspec.Struct, frozen=True):
    """A unit's name and level, as of an instant."""

    zh: str
    en: str
    level: Level


class PostLabel(msgspec.Struct, frozen=True):
    """A post's title, the unit it is in, and its role."""

    zh: str
    en: str
    unit: str
    role: str


class Names(msgspec.Struct, frozen=True):
    """What the codes in an answer are called; a person's name is None until a door fills it in.

    `erased` are those of `persons` who have no name any more, nor will: they were erased.
    """

    units: dict[str, UnitLabel]
    posts: dict[str, PostLabel]
    duties: dict[str, Label]
    persons: dict[str, str | None]
    erased: tuple[str, ...] = ()


class Gathering:
    """Collects the codes that an answer mentions."""

    def __init__(self) -> None:
        self.units: dict[str, None] = {}
        self.posts: dict[str, None] = {}
        self.duties: dict[str, None] = {}
        self.persons: dict[str, None] = {}

    def mention(
        self,
        *,
        unit: str | None = None,
        post: str | None = None,
        duty: str | None = None,
        person: str | None = None,
    ) -> None:
        """Remember these codes; what is None was not mentioned."""
        for kept, code in (
            (self.units, unit),
            (self.posts, post),
            (self.duties, duty),
            (self.persons, person),
        ):
            if code is not None:
                kept[code] = None

    def mention_all(self, attribution: Attribution) -> None:
        """Remember everybody whom an attribution names."""
        for hop in attribution.path:
            self.mention(unit=hop.unit, post=hop.post, person=hop.person)
        for one in attribution.persons:
            self.mention(unit=one.unit, post=one.post, person=one.person)

    def names(self, background: Background, at: datetime) -> Names:
        """Their names as of an instant; a post brings its unit along."""
        posts = _posts(background, self.posts)
        units = dict.fromkeys((*self.units, *(label.unit for label in posts.values())))
        return Names(
            units=unit_labels(background, units, at),
            posts=posts,
            duties=duty_labels(background, self.duties),
            persons=dict.fromkeys(self.persons),
        )


def unit_labels(background: Background, units: Iterable[str], at: datetime) -> dict[str, UnitLabel]:
    """What units are called at an instant."""
    rows, organisation = background.rows["unit"], background.organisation
    found = {}
    for unit in units:
        row = rows.get(unit)
        name = organisation.name(UnitRef(unit), at) if row else None
        if row is not None and name is not None:
            found[unit] = UnitLabel(name.name_zh, name.name_en, row.level)
    return found


def duty_labels(background: Background, duties: Iterable[str]) -> dict[str, Label]:
    """What duties are called in their newest revision."""
    rows = background.rows["duty"]
    found = {}
    for duty in duties:
        row = rows.get(duty)
        if row is not None and row.terms:
            terms = row.latest()
            found[duty] = Label(terms.title_zh, terms.title_en)
    return found


def _posts(background: Background, posts: Iterable[str]) -> dict[str, PostLabel]:
    rows = background.rows["post"]
    return {
        post: PostLabel(row.title_zh, row.title_en, row.unit, row.role)
        for post in posts
        if (row := rows.get(post)) is not None
    }


def person_names(
    background: Background, sealed: SealedStore, persons: Iterable[str]
) -> dict[str, str | None]:
    """The names that persons had as the background knows them; None for those erased since.

    Whoever had no name yet is left out, and so is a name that the sealed store has lost.
    """
    rows = background.rows["person"]
    known = [rows[one] for one in dict.fromkeys(persons) if one in rows]
    named = [(row.person, row.registered[-1].name) for row in known if row.registered]
    words = sealed.reveal([(name.person, name.commitment) for _, name in named])
    return {
        person: None if word is Mark.ERASED else str(word)
        for (person, _), word in zip(named, words, strict=True)
        if word is not Mark.MISSING
    }


def with_person_names(names: Names, known: Mapping[str, str | None]) -> Names:
    """The same with the names of the persons that are known; None: the person was erased."""
    erased = tuple(one for one in names.persons if one in known and known[one] is None)
    return replace(names, persons={one: known.get(one) for one in names.persons}, erased=erased)


def called(names: Names, person: str | None, erased: str) -> str:
    """How a person is written: by name where it may be shown, else by id; a dash for nobody.

    `erased` is what stands before the id of a person who was erased, in the reader's language.
    """
    if person is None:
        return "—"
    if person in names.erased:
        return f"{erased} ({person})"
    return names.persons.get(person) or person
