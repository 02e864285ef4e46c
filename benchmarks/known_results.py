"""Do published results come out? Trains the presets that repeat them; writes table and chart of docs/known_results.md.

    python benchmarks/known_results.py --folder studies/known
    python benchmarks/known_results.py --folder studies/known --only liu-one-pass --only srivastava-figure10
    python benchmarks/known_results.py --folder studies/known --train none

The cheapest come first. It may be stopped and started again at any time: what is finished is not trained again.
known_results.json beside it holds the numbers of the table, of finished runs alone.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chart_files import save_chart
from common import mnist
from dropstudy import Study
from dropstudy.analysis.as_published import AsPublished, expectation
from dropstudy.analysis.stats.paired import paired_t
from dropstudy.core.published_result import PublishedResult
from dropstudy.core.text import rounded
from dropstudy.models.mc_dropout import sampled_probabilities
from dropstudy.spec import presets
from dropstudy.spec.study_file import read_spec
from dropstudy.store.directory import has_database
from dropstudy.store.paths import DATABASE
from known_results_chart import gain_by_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.report.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "known_results.json"
PAGE = ROOT / "docs" / "known_results.md"
PICTURES = ROOT / "docs" / "pictures"
BEGIN, END = "<!-- table: benchmarks/known_results.py -->", "<!-- end of table -->"

PARTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("liu-one-pass", {}),
    ("liu-early-dropout", {}),
    ("srivastava-figure11", {}),
    ("srivastava-figure10", {"train_sizes": [100, 500, 1000]}),
    ("dropout-universality", {}),
    ("srivastava-figure10", {"train_sizes": [100, 500, 1000, 5000]}),
    ("srivastava-figure10", {"train_sizes": [100, 500, 1000, 5000, 10_000]}),
    ("srivastava-table10", {}),
    ("srivastava-figure10", {}),
    ("srivastava-figure9", {}),
    ("srivastava-table2", {}),
)
"""Presets and the part of each to train, in the order of training."""

BY_SIZE = "srivastava-figure10"
"""The preset of several training sizes, which has a chart."""

SAMPLED = "srivastava-figure11"
SAMPLES = (1, 5, 50, 100)
"""Numbers of networks that are sampled of each one."""

UNITS = {
    "error": ("test error", "%", 2),
    "test-loss": ("test loss", "nats", 5),
    "training-loss": ("training loss", "nats", 5),
}
"""Name, unit and decimal places of each measure."""


def main() -> None:
    """Train, sample, and write the results and the table after each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="holds the studies")
    parser.add_argument("--only", action="append", choices=presets.published(), help="once for each preset")
    parser.add_argument("--train", choices=["missing", "none"], default="missing")
    options = parser.parse_args()
    chosen = options.only or presets.published()
    for name, part in PARTS if options.train == "missing" else ():
        if name in chosen:
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} {name} {part or ''}", flush=True)
            Study(name, out=options.folder / name, **part).run()
            if name == SAMPLED:
                sample(options.folder)
            write(options.folder, chosen)
    write(options.folder, chosen)


def write(folder: Path, chosen: Sequence[str]) -> None:
    """Write the results of some studies in place of earlier ones, and the table of all."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in chosen:
        if has_database(folder / name):
            results[name] = result_of(folder, name)
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if by_size := results.get(BY_SIZE, {}).get("results"):
        save_chart(gain_by_size(by_size), PICTURES / "figure10")
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def result_of(folder: Path, name: str) -> dict[str, Any]:
    """What a study has shown so far, how much of it is done, and what that took."""
    snapshot = Study.open(folder / name).results().snapshot
    found = [each.to_dict() for each in snapshot.published]
    if name == SAMPLED:
        found = [each.to_dict() for each in of_samples(folder)]
    return {
        "results": found,
        "runs": len(snapshot.finals),
        "hours": round(hours(snapshot.history), 2),
        "device": devices(snapshot),
        "versions": "dropstudy {dropstudy}, jax {jax}".format_map(snapshot.metadata["environment"]),
        "date": f"{datetime.fromtimestamp((folder / name / DATABASE).stat().st_mtime, UTC):%Y-%m-%d}",
    }


def hours(history: pd.DataFrame) -> float:
    """Hours that workers trained, from the seconds of each run's epochs.

    Runs that train side by side have each the whole time of an epoch, to the last digit; it counts once.
    """
    return float(history.drop_duplicates(["train_size", "epoch", "seconds"])["seconds"].sum()) / 3600


def devices(snapshot: Snapshot) -> str:
    """Names of what trained the finished runs, and their precision: "AMD EPYC, float32"."""
    parts = sorted({part for text in snapshot.finals["device"] for part in text.split("; ")})
    names = [part.partition(" (")[2].rstrip(")") or part for part in parts]
    return f"{', '.join(names)}, {snapshot.runs[0].precision}"


def sample(folder: Path) -> None:
    """Sample networks of each finished run with dropout, and keep the errors by their number, run by run."""
    data, path = mnist(), folder / f"{SAMPLED}.json"
    errors = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    snapshot = Study.open(folder / SAMPLED).results().snapshot
    arm = snapshot.arms[-1]
    for run, weights in snapshot.networks(
        snapshot.finished(arm.name, snapshot.conditions[0]), len(snapshot.runs)
    ):
        if str(run.seed) in errors:
            continue
        total, of_run = np.zeros((len(data.y_test), 10)), {}
        for count in range(1, max(SAMPLES) + 1):
            seed = run.seed * 1000 + count
            total += sampled_probabilities(
                weights, data.x_test, arm=arm, activation="relu", scale=data.scale, samples=1, seed=seed
            )
            if count in SAMPLES:
                of_run[str(count)] = 100 * float((total.argmax(axis=1) != data.y_test).mean())
        (accuracy,) = snapshot.finals.loc[snapshot.finals["key"] == run.key, "test_accuracy"]
        errors[str(run.seed)] = {"scaled": 100 * (1 - float(accuracy)), "sampled": of_run}
        path.write_text(json.dumps(errors, indent=1) + "\n", encoding="utf-8")


def of_samples(folder: Path) -> list[AsPublished]:
    """Error of sampled networks minus that of the same network with weight scaling, by the number of networks."""
    path = folder / f"{SAMPLED}.json"
    if not path.exists():
        return []
    errors = json.loads(path.read_text(encoding="utf-8")).values()
    snapshot = Study.open(folder / SAMPLED).results().snapshot
    run = snapshot.runs[0]
    source = "Srivastava et al. 2014, Figure 11"
    found = []
    for count in SAMPLES:
        few = count < 50  # noqa: PLR2004 - the paper's number
        result = PublishedResult(
            arm=f"{count} sampled network{'s' * (count > 1)}",
            source=source,
            expected="higher" if few else "same",
            within=0.0 if few else 0.1,
        )
        here = paired_t(np.array([each["sampled"][str(count)] - each["scaled"] for each in errors]))
        condition = run.condition
        found.append(
            AsPublished(result, "weight scaling", condition.layers, condition.train_size, run.steps, here)
        )
    return found


def table(results: dict[str, Any]) -> str:
    """The results of all presets as a Markdown table; those of no finished run are said to be missing."""
    columns = ("preset", "arm", "difference to", "measure", "published, as tested")
    columns += ("here (95% interval)", "seeds", "updates", "outcome")
    lines = [_line(*columns), f"|{'---|' * len(columns)}"]
    for name in dict.fromkeys(name for name, _ in PARTS):
        rows = results.get(name, {}).get("results", ())
        lines += [_row(name, row) for row in rows if row["here"]["n"]]
        lines += _missing(name, rows)
    lines += [
        "",
        "| preset | runs finished | hours of training, all runs | device and precision | date |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(name for name, _ in PARTS):
        spec, made = read_spec(name), results.get(name, {"runs": 0})
        planned = len(spec.seeds) * len(spec.arms) * len(spec.train_sizes)
        part = f"{made['hours']:.2f} | {made['device']} | {made['date']}" if made["runs"] else "not run | |"
        lines.append(f"| {name} | {made['runs']} of {planned} | {part} |")
    return "\n".join(lines)


def _row(name: str, row: dict[str, Any]) -> str:
    published, here = PublishedResult(**row["published"]), row["here"]
    places = UNITS[published.measure][2]
    low, high = here["low"], here["high"]
    interval = "" if low is None else f" ({rounded(low, places)} to {rounded(high, places)})"
    updates = f"{here['updates']:,}" + (f" of {published.updates:,}" if published.updates else "")
    return _line(
        *_published_cells(name, published, here.get("difference_to", "")),
        f"{rounded(here['value'], places)}{interval}",
        str(here["n"]),
        updates,
        row["outcome"],
    )


def _missing(name: str, rows: list[dict[str, Any]]) -> list[str]:
    """Rows of the published results of which no seed is finished."""
    spec = read_spec(name)
    done = [(row["published"]["arm"], row["published"].get("train_size")) for row in rows if row["here"]["n"]]
    if not done and not spec.published:
        return [_line(name, "", "", "", "", "not run", "0", "", "")]
    first, not_run = spec.arms[0].name, ("not run", "0", "", "")
    return [
        _line(*_published_cells(name, result, first if result.value is None else ""), *not_run)
        for result in spec.published
        if (result.arm, result.train_size) not in done
    ]


def _published_cells(name: str, result: PublishedResult, difference_to: str) -> tuple[str, ...]:
    """Cells that say what was published: the first five of a row."""
    measure, unit, _ = UNITS[result.measure]
    size = f", {result.train_size:,} training examples" if result.train_size else ""
    if result.value is None:
        unit, said = "points" if unit == "%" else unit, expectation(result)
    else:
        said = f"{result.value:.2f} (±{result.within:g})"
    return name, f"{result.arm}{size}", difference_to, f"{measure}, {unit}", said


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
