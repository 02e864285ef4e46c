"""The page in a real browser: by mouse, finger and keyboard, several at once, by day and by night, wide and narrow."""

import re
from contextlib import ExitStack, contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe

from browsers import real_browser, until, watched_page
from dropstudy.teach.server import Trainings, make_app
from page_server import ADDRESSES, PAGE, served

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
NOTHING = "Nothing drawn yet."
SEVEN = ((0.28, 0.2), (0.72, 0.2), (0.45, 0.85))
ONE = ((0.5, 0.15), (0.5, 0.85))


@pytest.fixture(scope="module")
def browser():
    with real_browser() as browser:
        yield browser


@contextmanager
def serving(lesson, trainings):
    """The address of a page."""
    with served(make_app(lesson, ADDRESSES, trainings)) as port:
        yield f"http://127.0.0.1:{port}{PAGE}"


@pytest.fixture(scope="module")
def address(lesson):
    with serving(lesson, Trainings(2)) as address:
        yield address


@contextmanager
def opened(browser, address, **settings):
    with watched_page(browser, address, offline=False, reduced_motion="reduce", **settings) as page:
        yield page
        assert page.complaints == []
        assert all(url.startswith((address, "data:")) for url in page.requests)


def corners(page, points):
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def by_mouse(page, points):
    first, *rest = corners(page, points)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def by_finger(page, points):
    session = page.context.new_cdp_session(page)

    def touch(kind, *places):
        where = [{"x": x, "y": y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    first, *rest = corners(page, points)
    touch("touchStart", first)
    last = first
    for point in rest:
        for step in range(1, 6):
            touch("touchMove", tuple(a + (b - a) * step / 5 for a, b in zip(last, point, strict=True)))
        last = point
    touch("touchEnd")


def answered(page):
    # The answer to the last one asked for.
    until(page, f"!asking && document.getElementById('answer').textContent !== '{NOTHING}'")
    return page.locator("#answer").inner_text()


def dark_units(page):
    return page.locator("#units .dropped").count()


def trained(page):
    page.locator("#start").click()
    until(page, "!document.getElementById('start').disabled")
    return page.locator("#news").inner_text()


def test_the_page_opens_with_a_test_digit_and_the_first_stroke_takes_it_away(browser, address, lesson):
    with opened(browser, address) as page:
        shown = re.match(r"(\d) \(.+\)\. It is a (\d)$", answered(page))
        assert shown.groups() == (str(lesson.dataset.y_test[0]),) * 2
        assert dark_units(page) > 0
        by_mouse(page, ONE)
        assert re.match(r"1 \(\S+\)$", answered(page))


def test_a_digit_drawn_by_mouse_is_read_and_clear_takes_it_back(browser, address):
    with opened(browser, address) as page:
        by_mouse(page, ONE)
        assert answered(page).startswith("1 (")
        assert page.locator("#off tr.top th").inner_text() == "1"
        page.locator("#clear").click()
        until(page, f"document.getElementById('answer').textContent === '{NOTHING}'")
        assert page.locator("#off tr.top").count() == 0


def test_a_finger_draws_and_does_not_scroll_the_page(browser, address):
    settings = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}
    with opened(browser, address, **settings) as page:
        corners(page, ONE)
        before = page.evaluate("scrollY")
        by_finger(page, ONE)
        assert answered(page).startswith("1 (")
        assert page.evaluate("scrollY") == before
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_keyboard_draws_moves_the_rate_and_trains(browser, address):
    with opened(browser, address) as page:
        for _ in range(6):  # the link past the steps, the steps themselves, the drawing
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "pad"
        page.keyboard.press("Space")
        for _ in range(14):
            page.keyboard.press("ArrowDown")
        assert re.match(r"1 \(\S+\)$", answered(page))
        page.locator("#rate").focus()
        page.keyboard.press("End")
        assert "drops 90%, keeps 10%" in page.locator("output[for=rate]").inner_text()
        page.locator("#start").focus()
        page.keyboard.press("Enter")
        until(page, "!document.getElementById('result').hidden")


def test_every_control_has_a_name_of_its_own(browser, address):
    with opened(browser, address) as page:
        names = page.locator("button, input").evaluate_all(
            "all => all.map((each) => (each.labels?.[0] ?? each).innerText.trim())"
        )
        assert all(names)
        assert len(names) == len(set(names)) == 7


def test_clear_takes_the_first_test_digit_away_and_another_is_drawn_with_its_label(browser, address):
    with opened(browser, address) as page:
        page.locator("#clear").click()
        until(page, f"document.getElementById('answer').textContent === '{NOTHING}'")
        page.locator("#example").click()
        assert re.match(r"\d \(.+\)\. It is a \d$", answered(page))


def test_units_go_dark_with_the_rate_and_others_in_the_next_sample(browser, address):
    with opened(browser, address) as page:
        by_mouse(page, SEVEN)
        answered(page)
        half = dark_units(page)
        assert 20 < half < 44
        assert f"{half} of 64 units dropped" in page.locator("#units-words").inner_text()
        which = "[...document.querySelectorAll('#units span')].map((unit) => unit.className).join()"
        first = page.evaluate(which)
        page.locator("#next").click()
        assert page.evaluate(which) != first
        page.locator("#rate").fill("0")
        until(page, "!document.querySelector('#units .dropped')")
        assert page.locator("#votes").inner_text().endswith("in 100 of 100 samples")
        page.locator("#rate").fill("0.9")
        until(page, "document.querySelectorAll('#units .dropped').length > 44")


def test_training_shows_the_trap_and_every_run_of_this_browser(browser, address):
    with opened(browser, address) as page:
        assert trained(page).startswith("Finished.")
        values = {
            name: float(page.locator(f"#with dd.{name}").inner_text().rstrip("%"))
            for name in ("running", "clean", "test")
        }
        assert values["running"] < values["test"] < values["clean"]
        said = page.locator("#words").inner_text()
        assert f"prints {values['running']}% training accuracy and {values['test']}% test accuracy" in said
        lines = page.locator(".panel > svg g path").evaluate_all(
            "all => all.map((path) => path.getAttribute('d').split('L').length)"
        )
        assert lines == [20] * 6
        trained(page)
        rows = page.locator("#runs tbody tr").all_inner_texts()
        assert len(rows) == len(set(rows)) == 2


def test_browsers_have_a_state_of_their_own_and_one_that_finds_no_place_is_told(browser, held_lesson):
    with (
        serving(held_lesson, Trainings(1, patience=0.1)) as address,
        opened(browser, address) as one,
        opened(browser, address) as other,
    ):
        opening = answered(other)
        by_mouse(one, ONE)
        assert answered(one) != opening
        assert answered(other) == opening
        one.locator("#start").click()
        assert held_lesson.asked.wait(60)
        assert "This machine trains for 1 other browser now." in trained(other)
        assert other.locator("#result").is_hidden()
        held_lesson.may_begin.set()
        until(one, "!document.getElementById('start').disabled")
        assert trained(other).startswith("Finished.")
        assert other.locator("#runs tbody tr").count() == one.locator("#runs tbody tr").count() == 1


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_finds_nothing_before_and_after_and_nothing_juts_out(browser, address, scheme, width):
    settings = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with opened(browser, address, **settings) as page:
        for _ in range(2):
            found = Axe().run(page, options=RULES).response["violations"]
            assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.locator("#example").click()
            answered(page)
            trained(page)


def test_a_server_that_has_ended_is_said(browser, lesson):
    with ExitStack() as server:
        address = server.enter_context(serving(lesson, Trainings(1)))
        with watched_page(browser, address, offline=False) as page:
            server.close()
            by_mouse(page, ONE)
            assert answered(page).startswith("The server does not answer.")
            assert trained(page).startswith("The server does not answer.")
