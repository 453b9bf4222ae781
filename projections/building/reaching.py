"""Which code of this project a function can reach, spelled so that only its meaning counts.

Functions and classes of a running program lead to the definitions that they name, those to the
next, and so on until nothing new is named. Of a class that is reached, only the fields, the
special methods and the methods whose name is mentioned somewhere are taken: a dossier's questions
are no part of the fold that makes it. What is spelled is the syntax tree without comments,
docstrings, positions and a function's annotations, the same under every Python from 3.11 on.
Other people's packages are named, not followed.

Pure: reads source files, runs nothing. Read next: `fingerprints.py`, which hashes what is found.
"""

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, Final, TypeAlias

import msgspec

PACKAGES: Final = frozenset({"ledger", "projections"})
"""What is followed, with the package of the function that is begun with."""

NOT_FOLLOWED: Final = frozenset({"projections.tables", "ledger.events.fact"})
"""What declarations are made with: what is declared is hashed, not how declaring works.

A fact's tags are recorded with it, so how they are found is no part of a fold.
"""

_UNSPELLED: Final = frozenset({"ctx", "kind", "returns", "type_comment"})
_SPECIAL: Final = re.compile(r"__(?!repr|str)\w+__")
"""Methods that are called without being named, but for those that only show a value."""

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)

Place: TypeAlias = tuple[str, str]
"""A module, and the name that a definition has in it (`Class.method` for a method)."""


def spell(node: object) -> str:
    """A syntax tree as text: equal exactly where the meaning of the code can be told equal."""
    if isinstance(node, list):
        return f"[{','.join(spell(part) for part in node if not _is_docstring(part))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        f"{name}={spell(value)}"
        for name, value in ast.iter_fields(node)
        # Fields that a newer Python adds are empty where older code is read.
        if value is not None and value != [] and name not in _UNSPELLED
        if not (isinstance(node, ast.arg) and name == "annotation")
    ]
    return f"{type(node).__name__}({','.join(fields)})"


def _is_docstring(part: object) -> bool:
    return (
        isinstance(part, ast.Expr)
        and isinstance(part.value, ast.Constant)
        and isinstance(part.value.value, str)
    )


class _Source:
    """One module's source: what each of its names is bound by, and every function by its line."""

    def __init__(self, name: str) -> None:
        spec = importlib.util.find_spec(name)
        assert spec is not None, f"there is no module {name}"
        assert spec.origin is not None, f"the source of {name} tells whether a fold changed"
        text = Path(spec.origin).read_text(encoding="utf-8")
        tree = ast.parse(text)
        self.name = name
        self.package = spec.name if spec.submodule_search_locations else spec.parent or ""
        self.bindings: dict[str, list[ast.stmt]] = {}
        for statement in _statements(tree.body):
            for bound in _bound_by(statement):
                self.bindings.setdefault(bound, []).append(statement)
        self.by_line: dict[int, list[ast.AST]] = {}
        for node in ast.walk(tree):
            if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
                decorators = getattr(node, "decorator_list", [])
                line = min(one.lineno for one in (node, *decorators))
                self.by_line.setdefault(line, []).append(node)


@cache
def _source(name: str) -> _Source:
    return _Source(name)


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those below `if`, `try` and `with` included."""
    for statement in body:
        if isinstance(statement, (ast.If, ast.Try, ast.With)):
            for name in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, name, []))
        else:
            yield statement


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name
        case ast.Import() | ast.ImportFrom():
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0]
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                # An item put into a table belongs to the table's definition.
                yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))


class Reach:
    """What was reached so far: `found` is each definition's spelling by its place."""

    def __init__(self, packages: AbstractSet[str] = PACKAGES) -> None:
        self.found: dict[Place, str] = {}
        self._packages = set(packages)
        self._mentioned: set[str] = set()
        self._methods: list[tuple[Place, ast.AST]] = []
        self._owners: list[type] = []
        # Objects with what was told of them; kept, so that no other gets the address of one.
        self._told: dict[int, tuple[object, str]] = {}

    def follow(self, value: object) -> None:
        """Take in what a value holds, and how: constants, functions, classes, all they reach."""
        self.found["", self._tell(value)] = ""
        self._settle()

    def follow_method(self, owner: type, name: str) -> None:
        """Take in a method as instances of the class have it, with those that it calls by name."""
        self._owners.append(owner)
        self._mentioned.add(name)
        self._settle()

    def _settle(self) -> None:
        """Go on until no mentioned method is left out."""
        before = -1
        while before != len(self.found):
            before = len(self.found)
            for place, node in list(self._methods):
                if place not in self.found and self._is_wanted(place[1].rpartition(".")[2]):
                    self._take(place, node)
            for owner in self._owners:
                for one in (one for one in owner.__mro__ if self._is_followed(one.__module__)):
                    wanted = [name for name in vars(one) if name in self._mentioned]
                    for name in wanted:
                        self.found["", f"{name}={self._tell(_plainly(vars(one)[name]))}"] = ""

    def _is_wanted(self, name: str) -> bool:
        return name in self._mentioned or _SPECIAL.fullmatch(name) is not None

    def _tell(self, value: object) -> str:
        """A value as text: what it holds, and under which key; what can be followed is."""
        if id(value) not in self._told:
            # What holds itself is told by its type, there.
            self._told[id(value)] = value, type(value).__qualname__
            self._told[id(value)] = value, self._telling(value)
        return self._told[id(value)][1]

    def _telling(self, value: object) -> str:
        match value:
            case FunctionType():
                self._function(value)
            case type():
                self._class(value)
            case Mapping():
                pairs = (f"{self._tell(key)}:{self._tell(one)}" for key, one in value.items())
                return f"{{{','.join(sorted(pairs))}}}"
            case set() | frozenset():
                return f"{{{','.join(sorted(map(self._tell, value)))}}}"
            case str() | bytes() | int() | float() | date() | timedelta():
                return repr(value)
            case _ if (held := _held(value)) is not None:
                return f"{type(value).__qualname__}({','.join(map(self._tell, held))})"
        return _name_of(value)

    def _function(self, function: FunctionType) -> None:
        module = function.__module__
        if not self._is_followed(module):
            self.found[module, function.__qualname__] = ""
            return
        code = function.__code__
        nodes = _source(module).by_line.get(code.co_firstlineno, [])
        for node in nodes:
            if getattr(node, "name", "<lambda>") == code.co_name:
                self._take((module, function.__qualname__), node)
        for cell in function.__closure__ or ():
            # Other things that a function closes over change while it works.
            if isinstance(cell.cell_contents, (FunctionType, type)):
                self._tell(cell.cell_contents)

    def _class(self, kind: type) -> None:
        if "<locals>" not in kind.__qualname__:
            self._name(kind.__module__, kind.__qualname__.partition(".")[0])

    def _is_followed(self, module: str) -> bool:
        return module.partition(".")[0] in self._packages and module not in NOT_FOLLOWED

    def _name(self, module: str, name: str) -> None:
        """Whatever a module binds a name to."""
        if not self._is_followed(module):
            self.found[module, name] = ""
            return
        if (module, name) in self.found:
            return
        source = _source(module)
        for statement in source.bindings.get(name, ()):
            if isinstance(statement, ast.Import):
                self._module_used(name, statement)
            elif isinstance(statement, ast.ImportFrom):
                self._imported(source, statement, name)
            elif isinstance(statement, ast.ClassDef):
                self._take_class((module, name), statement)
            else:
                self._take((module, name), statement)

    def _module_used(self, name: str, statement: ast.Import) -> None:
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) == name:
                self.found[alias.name, ""] = ""

    def _imported(self, source: _Source, statement: ast.ImportFrom, name: str) -> None:
        origin = _origin(source, statement)
        for alias in statement.names:
            if (alias.asname or alias.name) != name:
                continue
            if self._is_followed(origin) and _is_module(f"{origin}.{alias.name}"):
                continue  # a module by itself does nothing; what is taken from it is an attribute
            self._name(origin, alias.name)

    def _take(self, place: Place, node: ast.AST) -> None:
        """A definition, and everything that it names; several of one name are all taken."""
        before = self.found.get(place, "")
        spelled = spell(node)
        if spelled in before:
            return
        self.found[place] = before + spelled
        self._visit(place[0], node)

    def _take_class(self, place: Place, node: ast.ClassDef) -> None:
        """A class without its methods; those follow when somebody mentions them."""
        fields = [one for one in node.body if not isinstance(one, _DEFINITIONS)]
        kept = ast.ClassDef(
            name=node.name,
            bases=node.bases,
            keywords=node.keywords,
            body=fields,
            decorator_list=node.decorator_list,
        )
        self._take(place, kept)
        for one in node.body:
            if isinstance(one, _DEFINITIONS):
                self._methods.append(((place[0], f"{place[1]}.{one.name}"), one))

    def _visit(self, module: str, node: ast.AST) -> None:
        """Follow every name in a piece of code; names of its own lead nowhere."""
        match node:
            case ast.Attribute():
                self._mentioned.add(node.attr)
                if not self._attribute(module, node):
                    self._visit(module, node.value)
                return
            case ast.Name():
                self._name_in(module, node.id)
            case ast.Constant(value=str(text)) if text.isidentifier():
                # getattr and attrgetter name what they look for.
                self._mentioned.add(text)
            case ast.ImportFrom():
                for alias in node.names:
                    self._imported(_source(module), node, alias.asname or alias.name)
            case ast.MatchClass():
                self._mentioned.update(node.kwd_attrs)
        for part in ast.iter_child_nodes(node):
            self._visit(module, part)

    def _name_in(self, module: str, name: str) -> None:
        if name in _source(module).bindings:
            self._name(module, name)

    def _attribute(self, module: str, node: ast.Attribute) -> bool:
        """Whether `node` takes something from a module of ours, which is then followed."""
        taken = _dotted(node)
        if taken is None:
            return False
        first, *rest = taken
        for statement in _source(module).bindings.get(first, ()):
            for target in _modules_named(_source(module), statement, first):
                at = target
                while rest and _is_module(f"{at}.{rest[0]}"):
                    at = f"{at}.{rest.pop(0)}"
                if rest and self._is_followed(at):
                    self._name(at, rest[0])
                    self._mentioned.update(rest)
                    return True
        return False


def _held(value: object) -> Iterable[object] | None:
    """What a value consists of, in order; None where nothing of it can be followed."""
    match value:
        case MethodType():
            return (value.__func__, value.__self__)
        case partial():
            return (value.func, value.args, value.keywords)
        case list() | tuple():
            return value
        case msgspec.Struct():
            return (getattr(value, name) for name in value.__struct_fields__)
    unwrapped = inspect.unwrap(value) if callable(value) else value
    return None if unwrapped is value else (unwrapped,)


def _name_of(value: Any) -> str:  # noqa: ANN401  (anything)
    """A function or class by its name, any other value by its type's."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _plainly(found: object) -> object:
    """What stands in a class: the function behind a method or property, any other value itself."""
    match found:
        case staticmethod() | classmethod():
            return found.__func__
        case property():
            return found.fget
        case cached_property():
            return found.func
    return found


def _dotted(node: ast.Attribute) -> list[str] | None:
    names, at = [node.attr], node.value
    while isinstance(at, ast.Attribute):
        names.append(at.attr)
        at = at.value
    return [at.id, *reversed(names)] if isinstance(at, ast.Name) else None


def _modules_named(source: _Source, statement: ast.stmt, name: str) -> Iterator[str]:
    """The modules that an import binds a name to."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if alias.asname == name:
                yield alias.name
            elif alias.asname is None and alias.name.partition(".")[0] == name:
                yield name
    elif isinstance(statement, ast.ImportFrom):
        origin = _origin(source, statement)
        for alias in statement.names:
            if (alias.asname or alias.name) == name and _is_module(f"{origin}.{alias.name}"):
                yield f"{origin}.{alias.name}"


def _origin(source: _Source, statement: ast.ImportFrom) -> str:
    """The module that an import takes from."""
    if not statement.level:
        return statement.module or ""
    parents = source.package.split(".")
    above = parents[: len(parents) - statement.level + 1]
    return ".".join([*above, *([statement.module] if statement.module else [])])
