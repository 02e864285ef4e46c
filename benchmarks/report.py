"""How long does a report take, for 100 and for 1,000 runs, and how large is its page?

Trains the runs first: small networks on 200 examples of MNIST, ten rates, tested on all 10,000 test examples, so that
what a report reads is of the usual size. Times whole commands, start-up included, and the page alone.

python benchmarks/report.py --rounds 3 --folder studies/report
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from common import head, spread, table, write_json
from dropstudy import Study

RATES = [i / 10 for i in range(10)]
RUNS = (100, 1000)
PAGE = """
import sys
from pathlib import Path
from dropstudy import Study
from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.report.snapshot import read_snapshot
study = Study.open(sys.argv[1])
source = read_snapshot(study.folder)
Path(sys.argv[1], "page.html").write_text(html(source, sections(source)), encoding="utf-8")
"""


def trained(folder: Path, runs: int) -> Path:
    """A finished study of so many runs; one that is there is taken as it is."""
    study = Study(
        "notebook",
        out=folder / str(runs),
        data="mnist",
        rates=RATES,
        seeds=runs // len(RATES),
        hidden=[32],
        train_sizes=[200],
        batch_size=50,
        epochs=5,
    )
    study.run(verbose=False)
    return study.folder


def seconds(command: list[str]) -> float:
    """Wall time of a command."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own arguments
    return time.perf_counter() - begin


def main() -> None:
    """Time both, round by round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("studies/report"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(rounds=options.rounds)
    rows = [["runs", "`dropstudy report`, s", "page alone, s", "page, MB"]]
    measured = {}
    for runs in RUNS:
        folder = str(trained(options.folder, runs))
        whole, page = [], []
        for _ in range(options.rounds):
            whole.append(seconds([sys.executable, "-m", "dropstudy", "report", folder]))
            page.append(seconds([sys.executable, "-c", PAGE, folder]))
        size = (Path(folder) / "report.html").stat().st_size / 1e6
        measured[str(runs)] = {"report": whole, "page": page, "megabytes": size}
        rows.append([f"{runs:,}", spread(whole).text(1), spread(page).text(1), f"{size:.2f}"])
    print(table(rows))
    write_json(options.json, about, measured=measured)


if __name__ == "__main__":
    main()
