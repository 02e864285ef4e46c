"""Words of the page: short sentences, a title of its own, the answer first, each number once."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from dropstudy.analysis.answered import QUESTIONS
from dropstudy.core.types import Arm
from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.report.sections.verdict import verdict
from dropstudy.report.snapshot import read_snapshot
from dropstudy.report.title import title
from expected import Analysis, Report
from notebook_runs import ARMS, finals_of, many_seeds
from sources import source_of, trained_at_once

MOST_WORDS = 20
SILENT = {"script", "style", "table", "code", "noscript"}
VOID = {"meta", "link", "img", "br"}

ONE_SEED = {"seeds": 1, "validation_split": "test"}
RATES = {"rates": [0, 0.2, 0.5, 0.8]}
WATCHED = {"rates": [0, 0.2, 0.5], "validation_split": "test"}
GRID = {"hidden": [[4], [6, 5]], "train_sizes": [200, 900], "rates": [0, 0.2, 0.5]}
STUDIES = {"one seed": ONE_SEED, "rates": RATES, "watched": WATCHED, "grid": GRID}


class Words(HTMLParser):
    """Texts of a page, one for each innermost element; tables, code and the values of facts are left out.

    Attributes:
        texts: tag, whether it is shown without a click, text.
    """

    def __init__(self, page):
        super().__init__()
        self.open, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append((tag, dict(attributes).get("class") or ""))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        fact = any("facts" in classes.split() for _, classes in self.open)
        if data.strip() and not SILENT.intersection(tags) and not (fact and tags[-1] == "dd"):
            self.texts.append((tags[-1], "details" not in tags, " ".join(data.split())))


def sentences(text):
    return re.split(r"(?<=[.!?])\s+(?=['\"(]?[A-Z0-9])", text)


@pytest.fixture(
    params=["rates", *(pytest.param(n, marks=pytest.mark.slow) for n in ("one seed", "watched", "grid"))]
)
def study(request, tmp_path, monkeypatch):
    return trained_at_once(monkeypatch, tmp_path / "x", **STUDIES[request.param])


def test_sentences_are_short_the_answer_comes_first_and_no_number_comes_twice(study):
    snapshot = read_snapshot(study.folder)
    parts = sections(snapshot)
    words = Words(html(snapshot, parts)).texts
    long = [s for _, _, text in words for s in sentences(text) if len(s.split()) > MOST_WORDS]
    assert long == []
    shown = [text for tag, open_, text in words if open_ and tag in {"p", "dt", "dd"}]
    answers = [answer for line in snapshot.answer.lines for answer in line]
    place = shown.index(QUESTIONS[0])
    assert shown[place : place + len(answers)] == answers
    assert place <= 2  # after the program's name and the study in a line
    numbers = Counter(n for _, open_, text in words if open_ for n in re.findall(r"[+-]?\d+\.\d\d+", text))
    assert [number for number, count in numbers.items() if count > 1] == []
    purposes = [part.purpose for part in parts[1:]]
    assert all(len(sentences(purpose)) == 1 and purpose.endswith(".") for purpose in purposes)


def test_a_page_of_replaced_data_and_a_diverged_run_says_so_in_short_sentences(tmp_path):
    history = many_seeds(ARMS, 6)
    finals = finals_of(history, ARMS)
    finals.loc[(finals["arm"] == ARMS[1].name) & (finals["seed"] == 3), "test_loss"] = float("nan")
    snapshot = source_of(tmp_path, history, finals, ARMS, fallback=True)
    words = Words(html(snapshot, sections(snapshot))).texts
    assert [s for _, _, text in words for s in sentences(text) if len(s.split()) > MOST_WORDS] == []
    assert any(Report.DIVERGED.format(ARMS[1].name, 3) in text for _, _, text in words)


def test_where_no_rate_may_be_chosen_the_head_says_what_to_run(tmp_path, monkeypatch):
    head = verdict(read_snapshot(trained_at_once(monkeypatch, tmp_path / "x", **WATCHED).folder)).head
    assert head.lines[1][1] == Analysis.NO_RATE_MAY_BE_CHOSEN
    (command,) = [command for _, command in head.steps if "--validation-split" in command]
    assert "--out" in command  # in a new study


def test_what_was_changed_after_results_is_disclosed_in_the_head(tmp_path, monkeypatch):
    trained_at_once(monkeypatch, tmp_path / "x")
    study = trained_at_once(monkeypatch, tmp_path / "x", seeds=8, margin=0.2)
    cautions = " ".join(verdict(read_snapshot(study.folder)).head.cautions)
    assert Analysis.GROWN.format("6, then 8") in cautions
    assert Analysis.MARGIN_CHANGED.format("0.1", "0.2") in cautions


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        (ARMS, "Dropout on MNIST, 784-512-512-10: rates 0 and 0.8"),
        ([Arm("x", 0.5)], "Dropout on MNIST, 784-512-512-10: rate 0.5"),
        ([Arm(f"{i}", i / 10) for i in range(8)], "Dropout on MNIST, 784-512-512-10: 8 rates from 0 to 0.7"),
        ([Arm("plain"), Arm("decay", l2=0.1)], "Regularisation on MNIST, 784-512-512-10: plain and decay"),
        (
            [Arm("no dropout"), Arm("dropout 0.2, 0.5", (0.2, 0.5)), Arm("dropout 0.5, 0.2", (0.5, 0.2))],
            "Dropout on MNIST, 784-512-512-10: no dropout, 'dropout 0.2, 0.5' and 'dropout 0.5, 0.2'",
        ),
    ],
)
def test_a_title_names_data_network_and_question(tmp_path, arms, expected):
    history = many_seeds(arms, 1, epochs=2)
    assert title(source_of(tmp_path, history, finals_of(history, arms), arms)) == expected


def test_studies_of_other_data_networks_sizes_or_rates_have_other_titles(tmp_path, monkeypatch):
    titles = {
        title(
            read_snapshot(
                trained_at_once(monkeypatch, tmp_path / f"{i}", seeds=1, epochs=1, **settings).folder
            )
        )
        for i, settings in enumerate(({}, {"hidden": [5]}, {"rates": [0, 0.2]}, {"train_sizes": [200, 900]}))
    }
    assert len(titles) == 4
    assert "Dropout on digits, 64-4-10, 200 and 900 training examples: rates 0 and 0.5" in titles
