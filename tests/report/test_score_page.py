"""The page on scores that others computed, in a real browser: what it holds, and which files it leaves alone."""

import hashlib
import html
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from browsers import draw_all, real_browser, watched_page
from dropstudy import verdict
from dropstudy.core.text import rounded, signed, span
from dropstudy.errors import InvalidArgument
from dropstudy.report.sections.blocks import figures_of
from dropstudy.report.sections.given_scores import sections_on_scores

HOSTILE = "</script><img src=x onerror=alert(1)>"


def scores(arms, seeds, *, gain=0.003):
    """A row for each run; each arm is better than the one before."""
    noise = np.random.default_rng(0).normal(0, 0.001, (len(arms), seeds))
    rows = [
        (arm, seed, 0.95 + seed / 1000 + gain * place + noise[place, seed])
        for place, arm in enumerate(arms)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "score"])


RATES = scores(["no dropout", "dropout 0.2", "dropout 0.5"], 8)
OPTIMISERS = scores(["SGD", "Adam"], 7)
CASES = {
    "rates": (RATES, {}, 3),
    "named": (OPTIMISERS, {}, 2),
    "twelve": (scores([f"arm {number}" for number in range(12)], 6), {}, 2),
    "few seeds": (scores(["a", "b"], 5), {}, 2),
    "one seed": (scores(["a", "b"], 1), {}, 2),
    "log loss": (OPTIMISERS.assign(score=1 - OPTIMISERS["score"]), {"metric": "log-loss"}, 2),
    "gaps": (RATES.drop(index=[3, 12]), {}, 3),
    "diverged": (RATES.assign(score=RATES["score"].mask(RATES.index == 9)), {}, 3),
    "no pairs": (OPTIMISERS.assign(seed=range(len(OPTIMISERS))), {}, 0),
    "hostile": (OPTIMISERS.replace("Adam", HOSTILE), {}, 2),
}


@pytest.fixture(scope="module")
def browser():
    with real_browser() as browser:
        yield browser


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_table_has_a_page_that_draws_in_a_browser(name, browser, tmp_path):
    table, options, charts = CASES[name]
    path = tmp_path / "scores.csv"
    table.to_csv(path, index=False)
    found = verdict(path, **options)
    page_path = found.report()
    assert page_path == tmp_path / "scores.verdict.html"
    with watched_page(browser, page_path.as_uri(), viewport={"width": 390, "height": 800}) as page:
        draw_all(page)
        assert page.complaints == page.dialogs == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        assert page.locator(".plot svg").count() == page.locator(".plot").count() == charts
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator(".answers dd").first.inner_text() == found.answer().helps
        assert page.locator("#arms tbody tr").count() == table["arm"].nunique()
        shown = page.locator("#provenance").inner_text()
        assert hashlib.sha256(path.read_bytes()).hexdigest() in shown
        assert "dropstudy verdict " in shown
        assert "no learning curves" in page.locator(".about").inner_text()


def test_the_page_has_the_numbers_of_scipys_paired_t(browser, tmp_path):
    wide = OPTIMISERS.pivot_table(index="seed", columns="arm", values="score")
    test = ttest_rel(wide["Adam"], wide["SGD"])
    low, high = 100 * np.array(test.confidence_interval())
    page_path = verdict(OPTIMISERS).report(tmp_path / "page.html")
    with watched_page(browser, page_path.as_uri()) as page:
        row = page.locator("#arms tbody tr").nth(1).inner_text()
    assert signed(100 * (wide["Adam"] - wide["SGD"]).mean()) in row
    assert span(low, high, margin=0.1) in row
    assert rounded(100 * wide["Adam"].mean()) in row


def test_scores_alone_claim_nothing_about_training_or_test_examples():
    parts = sections_on_scores(verdict(RATES).scores)
    text = " ".join(paragraph for part in parts for paragraph in part.paragraphs)
    assert "initial weights" not in text
    assert "Clopper" not in text
    assert "Fisher 1935" in text
    known = sections_on_scores(verdict(RATES, test_examples=10_000).scores)
    assert "Clopper" in " ".join(paragraph for part in known for paragraph in part.paragraphs)
    for figure in figures_of(parts):
        assert not {"hidden", "train_size"} & set(figure.table)


@pytest.mark.parametrize("what", ["text", "study page", "link", "folder"])
def test_a_file_that_is_no_such_page_stays_as_it_is(what, tmp_path):
    out, own = tmp_path / "page.html", verdict(RATES).report(tmp_path / "own.html")
    if what == "text":
        out.write_text("<p>mine</p>", encoding="utf-8")
    elif what == "study page":
        out.write_text('<meta name="generator" content="dropstudy report">', encoding="utf-8")
    elif what == "link":
        out.symlink_to(own)
    else:
        out.mkdir()
    before = out.read_bytes() if out.is_file() else b""
    with pytest.raises(InvalidArgument, match=r"page\.html"):
        verdict(RATES).report(out)
    assert (out.read_bytes() if out.is_file() else b"") == before


def test_an_own_page_is_replaced_and_a_frame_needs_a_name(tmp_path):
    out = verdict(RATES).report(tmp_path / "page.html")
    assert "Test accuracy in the data frame: SGD and Adam" not in out.read_text(encoding="utf-8")
    verdict(OPTIMISERS).report(out)
    assert "Test accuracy in the data frame: SGD and Adam" in out.read_text(encoding="utf-8")
    with pytest.raises(InvalidArgument, match="no file"):
        verdict(RATES).report()
    with pytest.raises(InvalidArgument, match=r"ends in \.html"):
        verdict(RATES).report(tmp_path / "scores.csv")
    assert not Path(tmp_path / "scores.csv").exists()


def test_the_verdict_shows_itself_and_has_its_table_and_numbers():
    found = verdict(OPTIMISERS)
    assert found.headline in html.unescape(found._repr_html_())
    assert "| Adam" in found.table().to_markdown()
    assert "Fisher 1935" in " ".join(found.table().methods)
    assert found.to_dict()["decision"] == found.decision == "helps"
    assert "scores" not in found.to_dict()
