"""What every page has around its answer: language, theme, place in the line, and moment.

A page of the past must never be taken for the present, so the moment is part of the frame: the
chip in the top bar says what the page is as of, and leads to any other moment.
"""

import re
import secrets
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.params import QueryParameter

from api.auth import Permission
from api.citable import citation, cite
from api.console.assets import asset
from api.console.language import ZONE, Language, Ratio, chosen, other_than, utc
from api.visits import View, Visit, moment_headers
from ledger.vocabulary import UnitRef
from projections.standpoint import AsOf, Standpoint

LANGUAGE_COOKIE: Final = "ledger_lang"
THEME_COOKIE: Final = "ledger_theme"
COOKIE_SECONDS: Final = 365 * 24 * 3600
THEMES: Final = ("light", "dark")

_LOCAL: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?))?")
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
    "connect-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

LangParameter = Annotated[
    str | None, QueryParameter(max_length=16, description="zh-CN or en; remembered in a cookie")
]
ThemeParameter = Annotated[
    str | None, QueryParameter(max_length=16, description="light, dark or auto; remembered")
]
MomentParameter = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="As of a position, an RFC 3339 time, or a day and time in Shanghai",
    ),
]


class Crumb(msgspec.Struct, frozen=True):
    """One step of the breadcrumb; without an address it is where one is, or may not go."""

    label: str
    address: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """One option of a form's list."""

    value: str
    label: str
    is_chosen: bool


class Page:
    """One page being made for one request."""

    def __init__(
        self, request: Request[Any, Any, Any], lang: str | None, theme: str | None
    ) -> None:
        cookies = request.cookies
        accepted = request.headers.get("accept-language", "")
        self.language: Language = chosen(lang, cookies.get(LANGUAGE_COOKIE), accepted)
        wanted = theme or cookies.get(THEME_COOKIE, "")
        self.theme = wanted if wanted in THEMES else "auto"
        self.path: str = request.url.path
        self.query: dict[str, list[str]] = {
            name: request.query_params.getall(name)
            for name in request.query_params
            if name not in {"lang", "theme"}
        }
        self.nonce = secrets.token_urlsafe(16)
        self.ledger: str = request.path_params.get(
            "ledger", request.app.state.ledgers.settings.name
        )
        self.visit = Visit(request) if "caller" in request.scope else None
        self._remembered = {LANGUAGE_COOKIE: lang and self.language.code, THEME_COOKIE: theme}
        self.is_secure = request.scope["scheme"] == "https"

    @property
    def visitor(self) -> Visit:
        """Who asks; only for pages that somebody was let in to."""
        assert self.visit is not None, "a page behind a permission has a visitor"
        return self.visit

    def asked(self, name: str) -> str | None:
        """The value of a parameter that stands once."""
        return self.query.get(name, [None])[0]

    def to_matrix(self, crumbs: tuple[Crumb, ...]) -> tuple[Crumb, ...]:
        """The same places, leading to the matrix."""
        own = self.path
        return tuple(
            msgspec.structs.replace(
                one, address=one.address.replace(own, self.address("matrix").partition("?")[0], 1)
            )
            if one.address
            else one
            for one in crumbs
        )

    def link(self, **changes: str | int | None) -> str:
        """This page's address with some parameters changed; None takes one away."""
        given: dict[str, Any] = {**self.query, **changes}
        kept = {name: value for name, value in given.items() if value not in (None, "", [""])}
        return f"{self.path}?{urlencode(kept, doseq=True)}" if kept else self.path

    def address(self, *parts: str, **query: str | None) -> str:
        """The address of another page of this ledger, at the same moment."""
        moment = self.query.get("as_of", [""])[0]
        kept = {name: value for name, value in {"as_of": moment, **query}.items() if value}
        path = "/".join(quote(part, safe="") for part in (self.ledger, *parts))
        return f"/{path}?{urlencode(kept)}" if kept else f"/{path}"

    def twin(self, path: str, **query: str | None) -> str:
        """The address of the same answer as JSON."""
        kept = {name: value for name, value in query.items() if value}
        address = f"/api/v1/{quote(self.ledger)}{path}"
        return f"{address}?{urlencode(kept)}" if kept else address

    def view(self, as_of: str | None) -> View:
        """As of what the page is asked; a day and time without offset is Shanghai's."""
        return View(as_of=moment_of(as_of, self.visitor.opened.clock.now()))

    def render(
        self,
        name: str,
        as_of: AsOf | None = None,
        *,
        answer: object = None,
        status: int = 200,
        crumbs: tuple[Crumb, ...] = (),
        **content: Any,  # noqa: ANN401  (whatever the template shows)
    ) -> Response[bytes]:
        """The page, or the part of one, that a template makes.

        `answer` is what the page shows, as its JSON twin says it: the page is cited by its hash.
        """
        words = self.language
        if as_of is not None and answer is not None:
            as_of = cite(answer, as_of).as_of
        is_past = as_of is not None and bool(self.query.get("as_of", [""])[0])
        body = templates.get_template(name).render(
            page=self,
            as_of=as_of,
            citation=None if as_of is None else citation(as_of),
            is_past=is_past,
            head=self.visitor.opened.recorder.head().position if is_past else None,
            crumbs=crumbs,
            other=other_than(words),
            asset=asset,
            _=words.text,
            word=words.word,
            words=words.words,
            when=words.when,
            number=words.number,
            ratio=Ratio,
            utc=utc,
            **content,
        )
        headers = {
            "content-security-policy": _POLICY.format(nonce=self.nonce),
            "content-language": words.code,
            "vary": "accept-language, cookie",
        }
        headers |= moment_headers(as_of, personal=True) if as_of else {"cache-control": "no-store"}
        return Response(
            body.encode(),
            status_code=status,
            media_type="text/html; charset=utf-8",
            headers=headers,
            cookies=list(self._cookies()),
        )

    def line(self, here: Standpoint, unit: str | None) -> tuple[Crumb, ...]:
        """Where a unit stands, from the top; units above the visitor's own are not linked."""
        words, own = self.language, self.visitor.caller.unit
        organisation, at = here.background.organisation, here.moment.instant
        top = Crumb(words.text("The whole line"), self.link(unit=None, cursor=None))
        if unit is None:
            return (msgspec.structs.replace(top, address=None),)
        found = [top] if own is None else []
        reached = own is None
        for one in (*reversed(organisation.ancestors(UnitRef(unit), at)), unit):
            reached = reached or one == own
            name = organisation.name(UnitRef(one), at)
            label = (name.name_zh if words.code == "zh-CN" else name.name_en) if name else one
            linked = reached and one != unit
            found.append(Crumb(label, self.link(unit=one, cursor=None) if linked else None))
        return tuple(found)

    @property
    def may_sign_out(self) -> bool:
        """Whether a session says who asks."""
        return self.visit is not None and self.visit.caller.by_session

    @property
    def sees_events(self) -> bool:
        """Whether the visitor may open the facts themselves."""
        return self.visit is not None and self.visit.caller.may(Permission.SEE_EVENTS)

    def _cookies(self) -> list[Cookie]:
        return [
            Cookie(
                key=name,
                value=value,
                max_age=COOKIE_SECONDS,
                httponly=True,
                samesite="lax",
                secure=self.is_secure,
            )
            for name, value in self._remembered.items()
            if value
        ]


def provide_page(
    request: Request[Any, Any, Any], lang: LangParameter = None, theme: ThemeParameter = None
) -> Page:
    """The page of a request; every page knows the two parameters."""
    return Page(request, lang, theme)


def moment_of(text: str | None, now: datetime) -> str | None:
    """A wall time in Shanghai as the API spells it; a day alone is its end, but never to come."""
    found = _LOCAL.fullmatch((text or "").strip())
    if not found:
        return (text or "").strip() or None
    try:
        clock = time.fromisoformat(found[2]) if found[2] else time.max
        instant = datetime.combine(datetime.fromisoformat(found[1]).date(), clock, ZONE)
    except ValueError:
        return text
    is_today = found[2] is None and instant > now >= instant.replace(hour=0, minute=0, second=0)
    return (now if is_today else instant).isoformat()
