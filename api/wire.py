"""Commands as callers send them: the same fields, with personal values still in plain words.

A command holds a `Sealed` commitment wherever a value identifies a person or is somebody's own
words; callers send the words. `wire_of` makes the struct that callers fill in, and `sealed`
turns it into the command, sealing each value on the way. Nothing else is translated, so a
command's own declaration is its documentation. Read next: `writing.py`.
"""

import types
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta

from ledger.vocabulary import Sealed

WORDS_MAX: Final = 4_000
"""Characters of one personal value."""

SealedText = Annotated[
    str, Meta(min_length=1, max_length=WORDS_MAX, description="Personal: sealed, never logged.")
]

Seal = Callable[[str, str], Sealed]
"""Seals a value: the field it stands in, and its words."""


@cache
def wire_of(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct that callers send for `struct`; `struct` itself where nothing differs."""
    hints = _hints(struct)
    fields: list[Any] = []
    # A nested struct may let unknown fields pass when it reads the log; a caller's typo may not.
    changed = not struct.__struct_config__.forbid_unknown_fields
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        wired = _wired(hint)
        changed = changed or wired is not hint
        if field.default_factory is not NODEFAULT:
            default: Any = msgspec.field(default_factory=field.default_factory)
        elif field.default is not NODEFAULT:
            default = field.default
        else:
            fields.append((field.name, wired))
            continue
        fields.append((field.name, wired, default))
    if not changed:
        return struct
    made = msgspec.defstruct(
        struct.__name__,
        fields,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
        module=struct.__module__,
    )
    made.__doc__ = struct.__doc__
    return made


def sealed(wire: msgspec.Struct, struct: type[msgspec.Struct], seal: Seal) -> Any:  # noqa: ANN401
    """The `struct` that a caller's `wire` means."""
    return _sealed(wire, struct, "", seal)


@cache
def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _wired(hint: Any) -> Any:  # noqa: ANN401
    if hint is Sealed:
        return SealedText
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return wire_of(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner = _wired(arguments[0])
        return hint if inner is arguments[0] else Annotated[(inner, *hint.__metadata__)]
    wired = tuple(_wired(one) for one in arguments)
    if all(new is old for new, old in zip(wired, arguments, strict=True)):
        return hint
    if origin in (Union, types.UnionType):
        # A map of field values may hold words or sealed words: callers send words either way.
        return Union[tuple(one for one in wired if one is not SealedText or str not in arguments)]  # noqa: UP007
    return origin[wired]


def _sealed(value: Any, wanted: Any, place: str, seal: Seal) -> Any:  # noqa: ANN401, PLR0911
    while hasattr(wanted, "__metadata__") or hasattr(wanted, "__supertype__"):
        wanted = get_args(wanted)[0] if hasattr(wanted, "__metadata__") else wanted.__supertype__
    if get_origin(wanted) in (Union, types.UnionType):
        kinds = [one for one in get_args(wanted) if one is not types.NoneType]
        if value is None or len(kinds) != 1:
            return value
        return _sealed(value, kinds[0], place, seal)
    if wanted is Sealed:
        return seal(place, value)
    if isinstance(value, msgspec.Struct) and isinstance(wanted, type):
        if type(value) is wanted:
            return value
        hints = _hints(wanted)
        return wanted(
            **{
                name: _sealed(getattr(value, name), hints[name], _join(place, name), seal)
                for name in value.__struct_fields__
            }
        )
    if get_origin(wanted) is tuple and isinstance(value, tuple):
        inner = get_args(wanted)[0]
        return tuple(_sealed(one, inner, place, seal) for one in value)
    return value


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
