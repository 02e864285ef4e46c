"""What is each thing worth that the engine does to waste nothing?

    python benchmarks/waste.py

Trains the notebook's dropout arm on one core, in the environment of dropstudy's workers, with one thing switched off
at a time (`variants.py`), each in a worker of its own, in both precisions, in an order that rotates from round to
round. An epoch includes its evaluation on the test set and on 10,000 training examples.

The engine is XLA's programs, which train groups, on GPUs, and all that the compiled program does not train. A
variant's ratio is its seconds over those of the engine in the same round: above 1 the thing gains; at 1 it gains
nothing and should go. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import asdict
from pathlib import Path

from common import ScriptWorkers, head, spread, table, write_json
from variants import AS_IT_IS, VARIANTS, Taken, measure

PRECISIONS = ("float32", "bfloat16")

Rounds = list[dict[str, Taken]]


def report(precision: str, rounds: Rounds) -> str:
    """The table of one precision."""
    rows = [["switched off", "s per epoch", "fastest", "ratio", "loss", "val accuracy"]]
    for name in rounds[0]:
        taken = [each[name] for each in rounds]
        middles = [statistics.median(t.seconds) for t in taken]
        engine = [statistics.median(each[AS_IT_IS].seconds) for each in rounds]
        ratio = spread(mine / its for mine, its in zip(middles, engine, strict=True))
        rows.append(
            [
                name,
                spread(middles).text(),
                f"{min(min(t.seconds) for t in taken):.2f}",
                ratio.text(3),
                f"{taken[0].loss:.5f}",
                f"{taken[0].val_accuracy:.4f}",
            ]
        )
    return f"{precision}\n\n{table(rows)}\n"


def main() -> None:
    """Run the rounds and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--epochs", type=int, default=3, help="measured in each worker, after one that compiles"
    )
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--examples", type=int, default=60_000, help="training examples")
    parser.add_argument("--only", action="append", choices=VARIANTS, help="a variant to measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing there")
    options = parser.parse_args()

    names = [name for name in VARIANTS if not options.only or name in (AS_IT_IS, *options.only)]
    about = head(examples=options.examples, epochs=options.epochs, n=options.repeats)
    taken: dict[str, Rounds] = {precision: [] for precision in PRECISIONS}
    for number in range(options.repeats):
        for precision in PRECISIONS:
            by_name = {}
            start = number % len(names)
            for name in names[start:] + names[:start]:
                with ScriptWorkers(1) as worker_pool:
                    arguments = (name, precision, options.epochs, options.examples)
                    by_name[name] = worker_pool.submit(measure, *arguments).result()
                middle = statistics.median(by_name[name].seconds)
                print(f"round {number + 1}  {precision:8}  {middle:6.2f} s  {name}", flush=True)
            taken[precision].append({name: by_name[name] for name in names})
    write_json(
        options.json,
        about,
        rounds={
            precision: [{name: asdict(t) for name, t in each.items()} for each in rounds]
            for precision, rounds in taken.items()
        },
    )
    print(f"\nMedian (lowest to highest) of {options.repeats} rounds.\n")
    for precision, rounds in taken.items():
        print(report(precision, rounds))


if __name__ == "__main__":
    main()
