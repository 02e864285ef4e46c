"""Does a study that is killed again and again end as if it never had been? Hundreds of kills, and what came of them.

    python benchmarks/kills.py                    # 200 kills at random times, of the scheduler or a worker
    python benchmarks/kills.py --system-calls     # before every write, sync, rename and unlink, SQLite's own too

Kills at random times: real workers train small networks; SIGKILL reaches the scheduler, or one of the workers, at
random times, and the same study goes on, until it is finished and the next one begins. Each is compared, to the bit,
with one that nobody touched. With --folder an interrupted benchmark goes on where it was.

Kills at system calls: strace kills a process that begins a study and commits to it, before its n-th call, for every n.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from common import head, table, write_json
from dropstudy.store.diff import compare
from dropstudy.store.store import DATABASE, Store

SETTINGS = {"data": "digits", "hidden": [64, 64], "epochs": 60, "rates": [0, 0.2, 0.5], "seeds": 4}
SCRIPT = (
    "import json, sys; from dropstudy import Study; Study(out=sys.argv[1], **json.loads(sys.argv[2])).run()"
)
LONGEST = 3.0  # seconds from a study's beginning to a kill
OF_WORKERS = 0.3  # share of kills that a worker gets
CALLS = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
)
TESTS = Path(__file__).parent.parent / "tests"
SCENARIO = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
import kill_points
kill_points.commits(Path(sys.argv[1]))
"""


def main() -> None:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keeps the studies, and what was counted so far")
    parser.add_argument("--system-calls", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        folder = options.folder or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        if options.system_calls:
            about = head(
                killed="a process that begins a study and commits to it, before each of its system calls"
            )
            found = at_system_calls(folder)
        else:
            about = head(
                study=json.dumps(SETTINGS),
                killed=f"{options.kills} times, seed {options.seed}",
            )
            found = at_random_times(folder, options.kills, options.seed)
    write_json(options.json, about, found=found)
    sys.exit(0 if found["unequal"] == 0 else 1)


# At random times


def at_random_times(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill so many times; counts by what was killed and when, and of the studies that came of it."""
    straight = folder / "straight"
    finish(straight)
    log = folder / "kills.json"
    counts = collections.Counter(json.loads(log.read_text()) if log.exists() else {})
    while counts["kills"] < kills:
        number = counts["studies"]
        draw = random.Random(f"{seed} {number}")  # noqa: S311 - no secret
        of_this = collections.Counter()
        study = folder / f"study {number}"
        while counts["kills"] + of_this["kills"] < kills and not killed_once(study, draw, of_this):
            pass
        finish(study)
        of_this["studies"] += 1
        runs = compare(study, straight)
        of_this["runs"] += len(runs)
        of_this["unequal"] += sum(not run.same for run in runs)
        of_this["left over"] += sum(1 for _ in study.glob("checkpoints/*")) + sum(
            1 for _ in study.rglob("*.tmp")
        )
        counts += of_this
        log.write_text(json.dumps(counts))
        print(f"study {number}: {of_this['kills']} kills; {counts['kills']} so far", flush=True)
    rows = [["killed", "when", "kills"]]
    rows += [[*what.split(", "), str(n)] for what, n in sorted(counts.items()) if ", " in what]
    print(f"\n{table(rows)}\n")
    print(
        f"{counts['kills']} kills of {counts['studies']} studies. Of their {counts['runs']} runs {counts['unequal']} "
        "differ, in any bit of history, test metrics, predictions or weights, from those of a study left in peace; "
        f"{counts['left over']} files were left over."
    )
    return {"unequal": 0, **counts}


def command(folder: Path) -> list[str]:
    """Command that begins a study, and goes on with it: `dropstudy run` without the figures."""
    return [sys.executable, "-c", SCRIPT, str(folder), json.dumps(SETTINGS)]


def finish(folder: Path) -> None:
    """Run it to its end."""
    subprocess.run(command(folder), check=True, capture_output=True)  # noqa: S603 - our own command


def killed_once(folder: Path, draw: random.Random, counts: collections.Counter[str]) -> bool:
    """Run the command until something kills it; True where it came to its end before."""
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        wait_for = time.monotonic() + 60
        if draw.random() > 0.1:  # noqa: PLR2004 - the others while it starts
            while process.poll() is None and not children(process) and time.monotonic() < wait_for:
                time.sleep(0.01)
        time.sleep(draw.uniform(0, LONGEST))
        while process.poll() is None and draw.random() < OF_WORKERS and (workers := children(process)):
            draw.choice(workers).kill()
            counts["kills"] += 1
            counts["worker, " + state(folder)] += 1
            time.sleep(draw.uniform(0, LONGEST))
        if process.poll() is None:
            now = state(folder)
            process.kill()
            process.wait()
            if process.returncode == -signal.SIGKILL:
                counts["kills"] += 1
                counts["scheduler, " + now] += 1
                return False
        return process.wait() == 0
    finally:
        process.kill()
        process.wait()


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Its workers."""
    try:
        found = psutil.Process(process.pid).children(recursive=True)
        return [child for child in found if "resource_tracker" not in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def state(folder: Path) -> str:
    """How far a study is."""
    if not (folder / DATABASE).exists():
        return "before there was a database"
    with Store(folder) as store:
        statuses = set(store.status().values())
        begun = any(store.histories())
    if not begun:
        return "before the first commit"
    return "after the last run" if statuses == {"done"} else "between commits"


# At system calls


def at_system_calls(folder: Path) -> dict[str, Any]:
    """Kill before each call of each kind; counts by kind, and how many studies differ afterwards."""
    straight = folder / "straight"
    counted = folder / "counted"
    act(straight, "strace", "-f", "-qq", "-c", "-o", str(counted))
    made = calls(counted)
    kills: collections.Counter[str] = collections.Counter()
    unequal = 0
    for call, times in made.items():
        for number in range(1, times + 1):
            study = folder / f"{call} {number}"
            inject = f"{call}:signal=KILL:when={number}"
            ended = act(
                study,
                "strace",
                "-f",
                "-qq",
                "-o",
                os.devnull,
                "-e",
                f"trace={call}",
                "-e",
                f"inject={inject}",
            )
            kills[call] += ended != 0
            act(study)
            unequal += not all(run.same for run in compare(study, straight))
    print(table([["system call", "kills"], *([call, str(n)] for call, n in kills.items())]))
    print(
        f"\n{kills.total()} kills; {unequal} studies differ afterwards, in any bit, from one that nobody touched."
    )
    return {"unequal": unequal, **kills}


def act(folder: Path, *under: str) -> int:
    """The scenario, in a process of its own; its exit code."""
    line = [*under, sys.executable, "-c", SCENARIO, str(folder)]
    done = subprocess.run(line, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
    if not under and done.returncode:
        sys.exit(done.stderr)
    return done.returncode


def calls(counted: Path) -> dict[str, int]:
    """How often each kind of call was made, by strace's table."""
    rows = [line.split() for line in counted.read_text().splitlines()]
    found = {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdecimal()}  # noqa: PLR2004 - its columns
    return {call: found[call] for call in CALLS if call in found}


if __name__ == "__main__":
    main()
