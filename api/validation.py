"""Every bad field of a body, each with its place and what is wanted.

msgspec stops at the first problem; people and programs that fill in a form want all of them. So a
body is walked along its struct: each field is converted alone, and nested structs, lists and maps
are walked in turn. Only a body without any problem reaches the handler.
"""

import types
from collections.abc import Iterator
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT

from api.problems import plain_message
from ledger.errors import FieldProblem

PROBLEMS_MAX: Final = 100
"""Enough to correct a form; a body that is wrong everywhere needs no longer list."""


def problems_of(value: object, wanted: object) -> tuple[FieldProblem, ...]:
    """Everything wrong with `value` as a `wanted`; nothing where it converts."""
    try:
        msgspec.convert(value, wanted)
    except (msgspec.ValidationError, RecursionError):
        found: list[FieldProblem] = []
        for problem in _walk(value, wanted, ""):
            found.append(problem)
            if len(found) == PROBLEMS_MAX:
                break
        return tuple(found)
    return ()


def _walk(value: object, wanted: Any, place: str) -> Iterator[FieldProblem]:  # noqa: ANN401
    before = 0
    for problem in _walk_inside(value, wanted, place):
        before += 1
        yield problem
    if before:
        return
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        inner = at.rstrip("`").lstrip(".")
        where = ".".join(filter(None, (place, inner))) or "body"
        yield FieldProblem(where, plain_message(message))


def _walk_inside(value: object, wanted: Any, place: str) -> Iterator[FieldProblem]:  # noqa: ANN401
    """The problems of the parts of a struct, list or map; none for anything else."""
    wanted = _plain(wanted)
    origin = get_origin(wanted)
    if isinstance(value, dict) and _is_struct(wanted):
        yield from _walk_struct(value, wanted, place)
    elif isinstance(value, list) and origin in (tuple, list, set, frozenset) and get_args(wanted):
        for index, one in enumerate(value):
            yield from _walk(one, get_args(wanted)[0], f"{place}[{index}]")
    elif isinstance(value, dict) and origin is dict:
        for key, one in value.items():
            yield from _walk(one, get_args(wanted)[1], f"{place}.{key}" if place else str(key))


def _walk_struct(
    value: dict[str, object], wanted: type[msgspec.Struct], place: str
) -> Iterator[FieldProblem]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    for name in value.keys() - fields.keys():
        if wanted.__struct_config__.forbid_unknown_fields:
            known = ", ".join(fields)
            yield FieldProblem(_join(place, name), f"is not a field here; known are {known}")
    for name, field in fields.items():
        if name in value:
            yield from _walk(value[name], field.type, _join(place, name))
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            yield FieldProblem(_join(place, name), "is missing")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _is_struct(wanted: object) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)


def _plain(wanted: Any) -> Any:  # noqa: ANN401
    """A type without annotation, new-type name and `| None`."""
    while True:
        if hasattr(wanted, "__metadata__"):
            wanted = get_args(wanted)[0]
        elif hasattr(wanted, "__supertype__"):
            wanted = wanted.__supertype__
        elif get_origin(wanted) in (Union, types.UnionType):
            parts = [part for part in get_args(wanted) if part is not types.NoneType]
            if len(parts) != 1:
                return wanted
            wanted = parts[0]
        else:
            return wanted
