"""Codes written out in the demonstration, as the identifiers they are."""

from ledger.vocabulary import (
    DutyId,
    DutyRef,
    FormId,
    FormRef,
    PersonId,
    PersonRef,
    PostId,
    PostRef,
    UnitId,
    UnitRef,
)


def unit_id(code: str) -> UnitId:
    """A unit by its code."""
    return UnitId(UnitRef(code))


def post_id(code: str) -> PostId:
    """A post by its code."""
    return PostId(PostRef(code))


def person_id(code: str) -> PersonId:
    """A person by their random id."""
    return PersonId(PersonRef(code))


def duty_id(code: str) -> DutyId:
    """A duty by its code."""
    return DutyId(DutyRef(code))


def form_id(code: str) -> FormId:
    """A form by its code."""
    return FormId(FormRef(code))
