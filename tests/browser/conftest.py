"""A real Chromium, and the real application listening on this machine."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, WebError, expect, sync_playwright

from apps import listening
from qa.engine import Engine
from ui.app import make_app
from ui.settings import Settings

SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"
CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SERVER_GONE = (  # or has forgotten who we are
    "net::ERR_",
    "network error",
    "Connection errored out",
    "Failed to fetch",
    "Unable to preload CSS",
    "status of 401",
    "Unauthorized",
)

OpenPage = Callable[..., Page]
expect.set_options(timeout=30_000)  # machines that run tests are slow and busy


def _serving(engine: Engine, settings: Settings | None = None) -> AbstractContextManager[str]:
    """The application over an engine, on a free port; gives its address."""
    return listening(lambda: make_app(engine, settings or Settings()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    return _serving


@pytest.fixture(scope="module")
def sample_url(sample_engine: Engine) -> Iterator[str]:
    with _serving(sample_engine) as url:
        yield url


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address in a browser of its own; at the end, checks that nothing was amiss with any page.

    Nothing may be asked of another host, written to the console as an error, thrown, or shown as a dialog. Where
    `policy_at_work` is true, the console may tell that the page's policy forbade something; where `server_may_go`, that
    the server is not there.
    """
    troubles: list[str] = []
    with ExitStack() as stack:

        def new_page(
            url: str,
            *,
            locale: str = "en-US",
            dark: bool = False,
            width: int = 1280,
            height: int = 900,
            policy_at_work: bool = False,
            server_may_go: bool = False,
        ) -> Page:
            context = browser.new_context(
                locale=locale,
                color_scheme="dark" if dark else "light",
                viewport={"width": width, "height": height},
                reduced_motion="reduce",
            )
            stack.callback(context.close)
            allowed = ("Content Security Policy",) * policy_at_work + SERVER_GONE * server_may_go
            _watch(context, troubles, allowed=allowed)
            page = context.new_page()
            page.goto(url)
            return page

        yield new_page
    assert not troubles


def _watch(context: BrowserContext, troubles: list[str], *, allowed: tuple[str, ...]) -> None:
    def only_here(route: Route) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            route.continue_()
        else:
            troubles.append(f"asked {route.request.url}")
            route.abort()

    def console(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(words in message.text for words in allowed):
            troubles.append(f"console: {message.text} at {message.location}")

    def thrown(error: WebError) -> None:
        if not any(words in str(error.error) for words in allowed):
            troubles.append(f"thrown: {error.error}")

    def dialog(shown: object) -> None:
        troubles.append(f"dialog: {shown}")
        shown.dismiss()  # type: ignore[attr-defined]

    context.route("**/*", only_here)
    context.on("console", console)
    context.on("weberror", thrown)
    context.on("dialog", dialog)


@pytest.fixture(scope="session")
def shoot() -> Callable[[Page, str], None]:
    """Keeps a picture of a page for people to look at."""
    SCREENSHOTS.mkdir(exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return take
