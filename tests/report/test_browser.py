"""The page in a real browser: offline, by mouse and by keyboard, by day and by night, wide and narrow."""

import re
import shutil
import subprocess

import pytest
from axe_playwright_python.sync_playwright import Axe

import random_results
from browsers import draw_all, real_browser, watched_page
from dropstudy import Study
from dropstudy.core.text import signed
from dropstudy.errors import RunsFailed
from dropstudy.report.charts.palette import RAMP
from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.report.snapshot import read_snapshot
from dropstudy.runtime import local
from sources import trained_at_once

GRID = {"hidden": [[4], [6, 5]], "train_sizes": [600, 900], "rates": [0, 0.2, 0.5]}
TEN = {"rates": [i / 20 for i in range(10)]}
HOSTILE = "</script><img src=x onerror=alert(1)>"
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}


@pytest.fixture(scope="module")
def browser():
    with real_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Makes the page of a study, each once: its address and the study."""
    made = {}

    def page_of(name, **overrides):
        if name not in made:
            folder = tmp_path_factory.mktemp("pages") / name
            with pytest.MonkeyPatch.context() as patch:
                study = trained_at_once(patch, folder, **overrides)
            made[name] = write_page(study), study
        return made[name]

    return page_of


def write_page(study):
    source = read_snapshot(study.folder)
    path = study.folder / "report.html"
    path.write_text(html(source, sections(source)), encoding="utf-8")
    return path.resolve().as_uri()


@pytest.fixture
def twelve(pages):
    return pages("twelve")


def accessible(page):
    # Single points and cells are a chart's, whose words are checked; looking at each of thousands takes minutes.
    marks = {
        "exclude": [[".mark-symbol.role-mark"], [".mark-rect.role-mark"], [".mark-line"], [".mark-area"]]
    }
    found = Axe().run(page, context=marks, options=RULES).response["violations"]
    return [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found]


@pytest.mark.slow
def test_the_page_loads_without_a_network_and_draws_every_chart(browser, twelve):
    address, _ = twelve
    with watched_page(browser, address) as page:
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        draw_all(page)
        assert page.complaints == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        assert page.locator(".plot").count() == page.locator(".plot svg").count() > 8
        assert (
            page.title() == page.locator("h1").inner_text() == "Dropout on digits, 64-4-10: rates 0 and 0.5"
        )
        titles = page.locator("section > h2").all_text_contents()
        assert titles[0] == "The answer"
        assert titles[-2:] == ["All runs", "How it was made"]


def test_a_title_breaks_only_between_words(pages, browser):
    address, _ = pages("long", hidden=[[12, 12, 12, 12, 12]], rates=[0, 0.5])
    with browser.new_page() as page:
        page.goto(address)
        for width in range(340, 800, 20):
            page.set_viewport_size({"width": width, "height": 600})
            lines = page.eval_on_selector_all(
                "h1 span",
                "spans => spans.map(one => { const range = document.createRange(); range.selectNodeContents(one); "
                "return new Set([...range.getClientRects()].map(box => box.top)).size; })",
            )
            assert set(lines) == {1}


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_a_legends_entry_isolates_its_arm_by_mouse_and_by_keyboard(browser, twelve, way):
    address, _ = twelve
    with watched_page(browser, address) as page:
        draw_all(page)
        points = page.locator("#figure-reliability .mark-symbol.role-mark path")

        def strong():
            opacities = "all => all.map((point) => [point.getAttribute('fill'), Number(point.getAttribute('opacity'))])"
            return {fill for fill, opacity in points.evaluate_all(opacities) if opacity > 0.5}

        assert len(strong()) == 2
        label = page.locator("#figure-reliability .role-legend-label text", has_text="dropout 0.5")
        if way == "mouse":
            label.click()
        else:
            label.focus()
            page.keyboard.press("Enter")
        page.wait_for_timeout(300)
        assert strong() == {f"var(--c{RAMP[0][1:]})"}


def test_the_key_of_the_learning_curves_isolates_a_line_in_every_panel(browser, twelve):
    address, _ = twelve
    with watched_page(browser, address) as page:
        draw_all(page)
        lines = page.locator("#figure-accuracy .mark-line.role-mark path")

        def strong():
            return lines.evaluate_all(
                "all => all.map((line) => Number(line.getAttribute('opacity') ?? 1) > 0.5)"
            )

        assert strong() == [True] * 6
        page.locator("#figure-accuracy text", has_text="as Keras measures it").first.click()
        page.wait_for_timeout(200)
        assert sum(strong()) == 2


def test_the_wheel_with_ctrl_zooms_dragging_moves_and_a_double_click_goes_back(browser, twelve):
    address, _ = twelve
    with watched_page(browser, address) as page:
        draw_all(page)
        plot = page.locator("#figure-accuracy .plot")
        plot.evaluate("plot => plot.scrollIntoView({ behavior: 'instant' })")
        dots = plot.locator(".mark-symbol.role-mark").first.locator("path")

        def places():
            page.wait_for_timeout(200)
            moved = dots.evaluate_all("all => all.map((dot) => dot.getAttribute('transform'))")
            return sorted({round(float(re.match(r"translate\(([^,]+),", place)[1]), 1) for place in moved})

        def width(of):
            return of[-1] - of[0]

        first = places()
        assert len(first) == 3  # epochs
        grounds = plot.locator(".background").all()
        panel = next(box for ground in grounds if (box := ground.bounding_box())["width"] > 100)
        middle = panel["x"] + panel["width"] / 2, panel["y"] + panel["height"] / 2
        page.mouse.move(*middle)
        page.mouse.wheel(0, -1)
        assert places() == first  # without Ctrl it scrolls the page

        page.keyboard.down("Control")
        page.mouse.wheel(0, -200)
        page.keyboard.up("Control")
        zoomed = places()
        assert width(zoomed) > 1.2 * width(first)

        page.mouse.down()
        page.mouse.move(middle[0] + 30, middle[1], steps=3)
        page.mouse.up()
        dragged = places()
        assert width(dragged) == pytest.approx(width(zoomed), abs=0.5)
        assert dragged[0] - zoomed[0] == pytest.approx(30, abs=1)

        page.mouse.dblclick(*middle)
        assert places() == first


def test_hovering_shows_the_value_that_the_store_has(browser, twelve):
    address, study = twelve
    differences = study.verdict().conditions[0].comparisons[0]
    with watched_page(browser, address) as page:
        draw_all(page)
        page.locator("#figure-difference .mark-symbol.role-mark path").last.hover()
        tip = page.locator("#vg-tooltip-element")
        tip.wait_for(state="visible")
        assert signed(differences.difference.value) in tip.inner_text()
        assert "seeds" in tip.inner_text()


def test_the_table_has_the_stores_numbers_and_sorts_both_ways(browser, twelve):
    address, study = twelve
    finals = study.results().test_scores()
    with watched_page(browser, address) as page:
        page.locator("#runs summary").click()
        draw_all(page)  # or else a chart that is drawn on the way down moves the table from under the click
        table = page.locator("#runs table")
        rows = table.locator("tbody tr")
        assert rows.count() == len(finals) == 12
        head = table.locator("th", has_text="test accuracy")
        place = head.evaluate("head => [...head.parentNode.children].indexOf(head)")

        def column():
            return [
                float(row.split("\t")[place])
                for row in rows.evaluate_all(
                    "all => all.map((row) => [...row.cells].map((c) => c.textContent).join('\\t'))"
                )
            ]

        expected = [round(100 * accuracy, 2) for accuracy in finals["test_accuracy"]]
        assert sorted(column()) == pytest.approx(sorted(expected))
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert column() == sorted(column())
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert column() == sorted(column(), reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_contrast_names_and_order_satisfy_axe_in_every_light_and_width(browser, twelve, scheme, width):
    address, _ = twelve
    settings = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with watched_page(browser, address, **settings) as page:
        page.evaluate(
            "document.querySelectorAll('.more, #figure-difference details').forEach((d) => { d.open = true; })"
        )
        draw_all(page)
        assert accessible(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
        assert (brightness < 60) == (scheme == "dark")
        ink = page.locator("#figure-difference text").first.evaluate("text => getComputedStyle(text).fill")
        assert (sum(map(int, re.findall(r"\d+", ink)[:3])) / 3 > 128) == (scheme == "dark")


def test_paper_is_white_even_at_night_and_needs_no_navigation(browser, twelve):
    address, _ = twelve
    with watched_page(browser, address, color_scheme="dark") as page:
        draw_all(page)
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("nav").is_hidden()


PAPER = {"viewport": {"width": 700, "height": 1000}}
"""A4 less margins of 12 mm, in pixels of a browser."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["twelve", "grid"])
def test_paper_shows_all_tables_and_clips_nothing(browser, pages, name):
    address, _ = pages(name, **(GRID if name == "grid" else {}))
    with watched_page(browser, address) as page:
        draw_all(page)
        page.set_viewport_size(PAPER["viewport"])
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        draw_all(page)
        assert page.locator("#runs td").last.is_visible()
        wide = (
            "all => all.filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML)"
        )
        assert page.locator("svg, table, pre, img, p, li").evaluate_all(wide) == []
        assert page.complaints == []
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert not page.locator("#runs td").last.is_visible()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext: apt-get install poppler-utils")
@pytest.mark.parametrize("name", ["twelve", "grid", "ten"])
def test_no_printed_page_ends_with_a_heading(browser, pages, tmp_path, name):
    address, _ = pages(name, **{"twelve": {}, "grid": GRID, "ten": TEN}[name])
    with watched_page(browser, address) as page:
        draw_all(page)
        heads = page.locator(
            "h1, .about, h2, h3, summary, .purpose, section > p, .caption"
        ).all_text_contents()
        margin = dict.fromkeys(("top", "right", "bottom", "left"), "12mm")
        (tmp_path / "page.pdf").write_bytes(page.pdf(format="A4", margin=margin))
    command = ["pdftotext", "-layout", tmp_path / "page.pdf", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own file
    ends = [text.strip().splitlines()[-1].strip() for text in done.stdout.split("\f") if text.strip()]
    assert len(ends) > 3
    assert [end for end in ends if any(head.strip().endswith(end) for head in heads)] == []


def test_a_phone_is_told_of_a_table_that_scrolls_and_of_no_other(browser, pages):
    address, _ = pages("twelve")
    for width, scrolls in ((390, True), (1280, False)):
        with watched_page(browser, address, viewport={"width": width, "height": 900}) as page:
            page.locator("#runs summary").click()
            page.wait_for_timeout(200)
            assert page.locator("#runs .hint").is_visible() == scrolls
            place = page.locator("#runs .wide")
            assert place.evaluate("e => e.scrollWidth > e.clientWidth") == scrolls


def test_names_that_are_html_stay_text(browser, tmp_path, monkeypatch):
    names = [HOSTILE, 'it\'s "quoted" & <b>bold</b>', "#222222"]
    arms = [{"name": name, "rate": rate} for name, rate in zip(names, (0.0, 0.2, 0.5), strict=True)]
    study = trained_at_once(
        monkeypatch, tmp_path / "x", arms=arms, rates=None, name=HOSTILE.replace("</script>", ""), seeds=2
    )
    with watched_page(browser, write_page(study)) as page:
        draw_all(page)
        assert page.dialogs == []
        assert page.complaints == []
        assert page.locator("img[src=x], b").count() == 0
        assert page.locator(".brand").inner_text() == f"dropstudy: {HOSTILE.replace('</script>', '')}"
        shown = " ".join(page.locator("#figure-reliability .role-legend-label").all_text_contents())
        assert "#222222" in shown
        assert "&lt;" not in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides", "count"),
    [
        ("one", {"rates": [0], "seeds": 1, "epochs": 1, "validation_split": "test"}, 1),
        ("many", {"rates": [i / 20 for i in range(10)], "seeds": 50, "epochs": 1}, 500),
    ],
)
def test_a_study_of_one_run_and_one_of_five_hundred(browser, pages, name, overrides, count):
    address, _ = pages(name, **overrides)
    with watched_page(browser, address) as page:
        draw_all(page)
        assert page.complaints == []
        assert page.locator("#runs tbody tr").count() == count
        if count == 1:  # axe takes half a minute for a table of 500 rows, which look like twelve
            assert accessible(page) == []


def test_a_study_of_which_nothing_finished_has_a_page_that_says_so(browser, tmp_path, monkeypatch):
    def fail(segment):
        raise OSError(f"no room for {segment.run.key[:3]}")

    random_results.replace_workers(monkeypatch)
    monkeypatch.setattr(local, "train", fail)
    study = Study("notebook", out=tmp_path / "x", data="digits", epochs=1)
    with pytest.raises(RunsFailed, match="no room for"):
        study.run(verbose=False)
    with watched_page(browser, write_page(study)) as page:
        draw_all(page)
        assert page.complaints == []
        assert page.locator(".plot").count() == 0
        assert "no room for" in page.locator("#runs").inner_text()
