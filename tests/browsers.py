"""A real browser, headless, for tests that look at pages."""

import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def real_browser():
    """Debian's chromium, or another of its family; where there is none the tests are skipped, and counted."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched_page(browser, address, **settings):
    """A page without a network, and all that it complains of or asks for: console, exceptions, requests, dialogs."""
    context = browser.new_context(
        **({"offline": True, "viewport": {"width": 1280, "height": 900}} | settings)
    )
    page = context.new_page()
    page.complaints, page.requests, page.dialogs = [], [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    yield page
    context.close()


def draw_all(page):
    """Bring every chart that is not folded away into view, and wait until all are drawn."""
    page.evaluate(
        "document.querySelectorAll('.plot').forEach((place) => { if (place.clientWidth) draw(place); })"
    )
    until(
        page,
        "[...document.querySelectorAll('.plot')].every((place) => !place.clientWidth || place.querySelector('svg'))",
    )


def until(page, expression, seconds=60):
    """Wait for an expression to be true. Playwright's own way evaluates text in the page, whose policy forbids it."""
    for _ in range(10 * seconds):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise TimeoutError(expression)
