"""The pages in a real browser: accessible, usable by keyboard and on a phone, without an error.

Skipped where Chromium is missing; never on CI.
"""

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from api.app import create_app
from tests.visiting import Doors

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true", reason="Chromium is not installed"
)

MATRIX = "/demo/matrix?duty=weekly&period=2026W01..2026W25"
TRACE = "/demo/traces/weekly.O3.2026W13"
REPLAY = "/demo/replay?as_of=60"
COMPARISON = "/demo/replay?as_of=20&against=90&unit=S1"
PAGES = {
    "matrix": MATRIX,
    "matrix of the past": f"{MATRIX}&as_of=2026-05-15",
    "trace": TRACE,
    "trace of the past": f"{TRACE}?as_of=2026-04-01",
    "fact": "/demo/events/17",
    "replay": REPLAY,
    "comparison": COMPARISON,
    "sign in": "/demo/sign-in",
    "refusal": "/demo/traces/nope",
}
START_SECONDS = 20
SOON_MILLISECONDS = 300
"""Longer than a script takes to ask for something."""


@pytest.fixture(scope="module")
def address(network: Doors) -> Iterator[str]:
    """The network served as it really is, open for reading."""
    network.opened.doorkeeper._is_open = True
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(network.ledgers), log_config=None, lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        until = time.monotonic() + START_SECONDS
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    network.opened.doorkeeper._is_open = False


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """The driver."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all tests here."""
    assert CHROMIUM is not None, "CI has Chromium"
    with playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as launched:
        yield launched


class Visited:
    """A page, and everything that went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Any]:
    """Opens pages: language, colours and width as asked."""
    contexts = []

    def opened(path: str, *, language: str = "en-GB", width: int = 1280, **given: Any) -> Visited:
        context = browser.new_context(
            base_url=address,
            locale=language,
            viewport={"width": width, "height": 800},
            **given,
        )
        contexts.append(context)
        visited = Visited(context.new_page())
        visited.page.goto(path)
        return visited

    yield opened
    for context in contexts:
        context.close()


LOOKS = [(language, colours) for language in ("zh-CN", "en-GB") for colours in ("light", "dark")]
"""The two pages of this part are looked at in all of these, the others in two that differ."""


@pytest.mark.parametrize(
    ("name", "language", "colours"),
    [
        (name, *look)
        for name in PAGES
        for look in (LOOKS if name in {"matrix", "trace"} else (LOOKS[0], LOOKS[3]))
    ],
)
def test_no_accessibility_violation(open_page: Any, name: str, language: str, colours: str) -> None:
    """Axe finds nothing on any page, in either language and either colours; no console error."""
    visited = open_page(PAGES[name], language=language, color_scheme=colours)
    if name == "trace":
        visited.page.locator(".facts summary").first.click()
        visited.page.locator(".facts .proof").first.wait_for()
    found = Axe().run(visited.page)
    errors = [one for one in visited.errors if "status of 404" not in one]

    assert [
        (one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]
    ] == []
    assert errors == []


@pytest.mark.parametrize("name", PAGES)
def test_reflow_on_a_narrow_screen(open_page: Any, name: str) -> None:
    """At 320 pixels nothing but the tables scrolls sideways (WCAG 1.4.10)."""
    page = open_page(PAGES[name], width=320).page

    assert page.evaluate("() => document.documentElement.scrollWidth") == 320


def test_targets_are_large_enough(open_page: Any) -> None:
    """What is pressed is at least 24 by 24 pixels, or stands in a sentence (WCAG 2.5.8)."""
    for path in (MATRIX, TRACE, REPLAY, COMPARISON):
        page = open_page(path).page
        small = page.evaluate(
            """() => [...document.querySelectorAll(
                '.cell a, .cite, button, summary, .choices a, .side a, input, select')]
                .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
                .filter(([, box]) => box.width && (box.width < 18 || box.height < 24))
                .filter(([html]) => !html.includes('checkbox'))
                .map(([html, box]) => [html, box.width, box.height])"""
        )
        assert small == []


def test_by_keyboard_from_the_matrix_to_a_fact(open_page: Any) -> None:
    """Skip to the answer, choose a cell, open a fact, and go back in time: no mouse."""
    visited = open_page(MATRIX)
    page = visited.page
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the answer")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    page.locator("tr", has_text="O3").locator(".missed a").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/traces/weekly\.O3\.2026W12"))
    page.locator(".facts summary").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".facts .proof").first).to_be_visible()
    page.locator(".moment summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#as-of")).to_be_focused()
    page.keyboard.type("2026-03-23 12:00")
    page.keyboard.press("Enter")
    expect(page.locator(".banner")).to_contain_text("This is the past.")
    expect(page.locator(".badge").first).to_contain_text("pending")

    assert visited.errors == []


def test_stepping_playing_and_sliding(open_page: Any) -> None:
    """By arrow keys, by playing, by the slider: the fact, the boxes, the address and the frame."""
    visited = open_page("/demo/replay")
    page = visited.page
    last = int(page.locator("#position").input_value())
    expect(page.locator("body")).not_to_have_class("past")

    page.locator("body").press("ArrowLeft")
    expect(page.locator("#fact .position")).to_have_text(f"{last - 1:,}")
    expect(page.locator("#position")).to_have_value(str(last - 1))
    expect(page.locator("#at")).to_have_value(str(last - 1))
    expect(page).to_have_url(re.compile(rf"as_of={last - 1}$"))
    expect(page.locator("body")).to_have_class("past")
    expect(page.locator(".banner")).to_contain_text("This is the past.")

    page.locator("#at").focus()
    page.keyboard.press("Home")
    expect(page.locator("#fact .position")).to_have_text("1")
    expect(page.locator("#back")).to_have_count(0)
    page.get_by_role("button", name="×10").click()
    page.wait_for_function("() => Number(document.getElementById('position').value) > 3")
    page.get_by_role("button", name="Pause").click()
    page.go_back()
    expect(page.locator(".banner")).to_be_visible()

    assert visited.errors == []


def test_everything_around_a_step_follows_it(open_page: Any) -> None:
    """Links, boxes, citation and focus belong to the fact that is shown, and to no fact before."""
    visited = open_page(REPLAY)
    page = visited.page
    cited = page.locator("footer .cite").inner_text()
    page.locator("#on").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#fact .position")).to_have_text("61")
    expect(page.locator("#on")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#fact .position")).to_have_text("62")

    expect(page.locator("footer")).to_contain_text("As of position 62")
    assert page.locator("footer .cite").inner_text() != cited
    for link in ("Dark", "简体中文", "Reporting matrix"):
        address = page.get_by_role("link", name=link).get_attribute("href")
        assert address is not None
        assert "as_of=62" in address
    expect(page.locator("#choice input[name=as_of]")).to_have_value("62")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("body").press("Alt+ArrowLeft")  # the browser's own key, and no step
    page.wait_for_timeout(SOON_MILLISECONDS)
    assert asked == []
    page.go_back()
    expect(page.locator("#fact .position")).to_have_text("61")
    assert visited.errors == []


def test_two_moments_side_by_side(open_page: Any) -> None:
    """From one moment to two, to a fact that made the difference, and back."""
    visited = open_page(REPLAY)
    page = visited.page
    page.get_by_role("link", name="Compare with another moment").click()
    expect(page.locator("#difference")).to_be_visible()
    cause = page.locator(".causes .cite").first
    position = cause.inner_text()
    cause.click()
    expect(page.locator("#fact .position")).to_have_text(position)

    assert visited.errors == []


def test_focus_is_visible(open_page: Any) -> None:
    """What has the focus has a ring around it (WCAG 2.4.7)."""
    page = open_page(MATRIX).page
    for _ in range(12):
        page.keyboard.press("Tab")
        width = page.evaluate(
            "() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)"
        )
        assert width >= 2


def test_without_scripts(open_page: Any) -> None:
    """Filter, trace, raw fact and language by links and forms alone."""
    page = open_page(MATRIX, java_script_enabled=False).page
    page.get_by_label("Unit and below").fill("S1")
    page.get_by_label("Only units that failed").check()
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_label("Unit and below")).to_have_value("S1")
    page.locator(".grid .missed a").first.click()
    expect(page.locator("h1")).to_contain_text("Xihu outlet")
    page.locator(".facts summary").first.click()
    page.locator(".facts .raw a").first.click()
    expect(page.locator("pre")).to_contain_text('"recorded_at"')
    page.get_by_role("link", name="简体中文").click()

    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def test_replay_without_scripts(open_page: Any) -> None:
    """Steps are links, the boxes are forms, and what cannot work is not shown."""
    page = open_page(REPLAY, java_script_enabled=False).page
    page.get_by_role("link", name="Fact before").click()
    expect(page.locator("#fact .position")).to_have_text("59")
    page.locator("#position").fill("30")
    page.locator("form", has=page.locator("#position")).get_by_role("button").click()
    expect(page.locator("#fact .position")).to_have_text("30")
    expect(page.locator("#play")).to_be_hidden()


def test_the_chosen_theme_stays(open_page: Any) -> None:
    """Dark where the system is light, on this page and the next, until changed back."""
    page = open_page(MATRIX, color_scheme="light").page

    def paper() -> str:
        return str(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))

    light = paper()
    page.get_by_role("link", name="Dark").click()
    dark = paper()
    page.goto(TRACE)

    assert light != dark == paper()


def test_in_print(open_page: Any) -> None:
    """Paper shows the answer and what it is as of, and nothing to press."""
    page = open_page(MATRIX).page
    page.emulate_media(media="print")

    expect(page.locator(".side")).to_be_hidden()
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.locator("footer")).to_contain_text("As of position")
    expect(page.locator(".grid")).to_be_visible()
