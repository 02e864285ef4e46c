"""Shares of false verdicts that the documents claim are those of the tables that the benchmarks printed.

A share of errors always stands beside its condition, and is the largest of the rows that the condition is about.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VERDICT = "docs/verdict.md"
PAGES = ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
CONDITIONS = r"skew|symmetric|normal"


def text_of(page):
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def table(*headings):
    """Rows of the first table of docs/verdict.md with these columns, {heading: cell}."""
    lines = (ROOT / VERDICT).read_text(encoding="utf-8").splitlines()
    for start, line in enumerate(lines):
        names = cells_of(line)
        if line.startswith("|") and set(headings) <= set(names):
            body = lines[start + 2 :]
            end = next((i for i, row in enumerate(body) if not row.startswith("|")), len(body))
            return [dict(zip(names, cells_of(row), strict=True)) for row in body[:end]]
    raise AssertionError(headings)


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def number(cell):
    return float(re.match(r"[\d.]+", cell)[0])


def low_end(cell):
    return float(re.search(r"\(([\d.]+) to", cell)[1])


RATES = table("n", "arms", "differences", "false helps or hurts", "false equivalent")
LOOKS = table("arms", "true difference", "helps or hurts, %", "mean seeds")
COVERAGE = table("interval", "differences", "n = 6")


def largest(column, *, very_skewed):
    return max(number(row[column]) for row in RATES if (row["differences"] == "very skewed") == very_skewed)


def false_at_looks(*, very_skewed):
    return max(
        number(row["helps or hurts, %"])
        for row in LOOKS
        if row["true difference"] == "0" and (row["differences"] == "very skewed") == very_skewed
    )


def covered(*shapes):
    """Coverage of the interval for all arms together, of every row and number of seeds."""
    rows = [row for row in COVERAGE if row["interval"].startswith("max-t") and row["differences"] in shapes]
    return [number(cell) for row in rows for name, cell in row.items() if name.startswith("n =")]


NEW_DATA = table("seeds", "test examples", "false, seeds alone", "coverage")
USUAL, SKEWED = (
    max(number(row["false, new data"]) for row in NEW_DATA if row["differences"] == kind)
    for kind in ("as they are", "skewed")
)
SEEDS_ALONE = max(number(row["false, seeds alone"]) for row in NEW_DATA)
OF_100 = [number(row["power, new data"]) for row in NEW_DATA if row["test examples"] == "100"]
UNTIL = table("false until decided, seeds alone", "false until decided, new data")
LESS = max(
    number(row["power, seeds alone"]) - number(row["power, new data"])
    for row in NEW_DATA
    if row["test examples"] in {"1,000", "10,000"}
)
BAD = table("differences", "n", "false by mean", "caution")


def ends(column, kind):
    """Smallest and largest share of a kind of differences with bad runs."""
    shares = [number(row[column]) for row in BAD if row["differences"] == kind]
    return [min(shares), max(shares)]


BAD_RUNS = "10% bad runs"
BOTH = (False, True)
FALSE = [largest("false helps or hurts", very_skewed=skewed) for skewed in BOTH]
NOT_VERY_SKEWED = [row["false helps or hurts"] for row in RATES if row["differences"] != "very skewed"]
ABOVE = [cell for cell in NOT_VERY_SKEWED if low_end(cell) > 5]

SHARE = r"([\d.]+)%"
RANGE = r"([\d.]+) to ([\d.]+)%"
NETWORKS = table("networks", "arms", "false, each alone", "false, all allowed for")
OF_TEN = [number(row["false, each alone"]) for row in NETWORKS if row["networks"] == "10"]
CLAIMS = [
    # page, what it says, the numbers of the tables
    (
        "README.md",
        rf"in {SHARE} at most where differences between seeds were not strongly skewed, and in up to {SHARE} where",
        FALSE,
    ),
    (
        "docs/reading.md",
        rf"this was said in {SHARE} at most where .*? not strongly skewed, .*? and in up to {SHARE} where they were",
        FALSE,
    ),
    (
        "docs/reading.md",
        rf"exactly the margin it was said in {SHARE} at most, strongly skewed in up to {SHARE}",
        [largest("false equivalent", very_skewed=skewed) for skewed in BOTH],
    ),
    (
        "docs/reading.md",
        rf"held the truth in ([\d.]+) to {SHARE} .*? heavy tails, in {SHARE} .*? skewed, and in {SHARE} at least",
        [
            min(covered("normal", "heavy tails")),
            max(covered("normal", "heavy tails")),
            min(covered("skewed")),
            min(covered("very skewed")),
        ],
    ),
    (
        VERDICT,
        rf"in {SHARE} at most of the simulated ones that are not strongly skewed; strongly skewed, in up to {SHARE}",
        [false_at_looks(very_skewed=skewed) for skewed in BOTH],
    ),
    (
        VERDICT,
        rf"within what simulation can tell, in (\d+) of (\d+) rows \(the other: .*?, {SHARE}\)",
        [len(NOT_VERY_SKEWED) - len(ABOVE), len(NOT_VERY_SKEWED), *map(number, ABOVE)],
    ),
    (
        "README.md",
        rf"it was then wrong in {SHARE} at most, and in up to {SHARE} .*?; intervals over seeds alone in up to {SHARE}",
        [USUAL, SKEWED, SEEDS_ALONE],
    ),
    (
        VERDICT,
        rf"about new data in up to {SHARE} .*? is wrong in {SHARE} at most where .*?, and in {SHARE} at most where a",
        [SEEDS_ALONE, USUAL, SKEWED],
    ),
    (VERDICT, rf"with 100 it finds a true difference of 3 points in {RANGE}", [min(OF_100), max(OF_100)]),
    (
        VERDICT,
        rf"after `--until-decided` was false in {RANGE}, intervals over seeds alone in {RANGE}",
        [
            end(number(row[column]) for row in UNTIL)
            for column in ("false until decided, new data", "false until decided, seeds alone")
            for end in (min, max)
        ],
    ),
    (VERDICT, r"its power is at most ([\d.]+) percentage points below", [pytest.approx(LESS)]),
    (
        VERDICT,
        rf"right about themselves \({RANGE} and {RANGE} with bad runs\), and wrong .*? mean \({RANGE} and {RANGE}\)",
        [
            end
            for column in ("trimmed mean of its own", "median of its own", "by trimmed mean", "by median")
            for end in ends(column, BAD_RUNS)
        ],
    ),
    (
        VERDICT,
        rf"The mean's own errors \({RANGE} with bad runs, {RANGE} very skewed\) fall with many seeds",
        [*ends("false by mean", BAD_RUNS), *ends("false by mean", "very skewed")],
    ),
    (
        VERDICT,
        rf"that both agree lowers false claims a little \({RANGE} with bad runs\)",
        ends("mean and trimmed mean", BAD_RUNS),
    ),
    (
        VERDICT,
        rf"It came in {RANGE} of normal studies and in {RANGE} of those with bad runs",
        [*ends("caution", "normal"), *ends("caution", BAD_RUNS)],
    ),
    (
        VERDICT,
        rf"help or hurt in ([\d.]+) to {SHARE} of studies with normal differences, and in {SHARE} at most where all",
        [min(OF_TEN), max(OF_TEN), max(number(row["false, all allowed for"]) for row in NETWORKS)],
    ),
]


@pytest.mark.parametrize(("page", "said", "measured"), CLAIMS, ids=[f"{c[0]}: {c[1][:30]}" for c in CLAIMS])
def test_a_claimed_share_is_the_one_of_the_table(page, said, measured):
    claims = re.findall(said, text_of(page))
    assert len(claims) == 1, said
    found = claims[0] if isinstance(claims[0], tuple) else claims
    assert [float(claim) for claim in found] == measured


@pytest.mark.parametrize("page", PAGES)
def test_a_share_of_errors_stands_beside_its_condition(page):
    """Five percent of studies, or 95, are what an assumption gives: the sentence names it."""
    claims = r"(?:at most|about|below|stays? at|in) (?:5|95)% (?:of studies|at most|within)|wrong in (?:at most )?\d+%"
    for sentence in re.split(r"(?<=[.|]) ", text_of(page)):
        if re.search(claims, sentence):
            assert re.search(CONDITIONS, sentence), sentence
