"""How long does a run-epoch of the notebook's networks take: dropstudy beside Keras, PyTorch and scikit-learn?

    python benchmarks/peers.py --peer-python /path/to/python/with/the/peers

Each side trains the notebook's two networks on MNIST in a process of its own (`sides.py`), as its users run it: the
peers one network after the other on all cores, dropstudy both at once on a worker each. Every round runs every side
once, in an order that rotates, and measures what the machine multiplies at (`arithmetic.py`).

    seconds per run-epoch   from the end of a network's first epoch to the end of its last, over the epochs in
                            between, mean of the networks; divided by the networks that train at once. Looking at
                            the test set after each epoch is part of it on every side.
    start-up                the rest of the process's wall time: imports, data, building, compilation, and what the
                            first epochs take beyond the others. dropstudy keeps compiled programs on disk, so only
                            a first round can be cold.

dropstudy's last epoch measures all training examples in float32, where the others measure a sixth of them in the run's
precision. The table counts that as any other time; the line below it and the ratio to the arithmetic give also
what epochs take without the last. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import altair as alt
import pandas as pd

from arithmetic import TRAINED, Arithmetic, epoch_flops
from arithmetic import measure as measure_arithmetic
from common import ARMS, PEER_PACKAGES, Spread, head, spread, table, versions, watched, write_json, write_npz
from dropstudy.core.hardware import physical_cores
from dropstudy.report.charts import palette, theme
from dropstudy.report.charts.render import save

DEFAULT, FLOAT32 = "dropstudy-auto", "dropstudy-float32"


@dataclass(frozen=True)
class Side:
    """One system.

    Args:
        name: for people.
        program: what sides.py calls it.
        backend: of Keras.
    """

    name: str
    program: str
    backend: str = ""

    @property
    def ours(self) -> bool:
        """True for dropstudy."""
        return self.program.startswith("dropstudy")

    @property
    def at_once(self) -> int:
        """Networks that train at the same time."""
        return min(physical_cores(), len(ARMS)) if self.ours else 1


SIDES = {
    "keras-jax": Side("Keras on JAX", "keras", "jax"),
    "keras-tensorflow": Side("Keras on TensorFlow", "keras", "tensorflow"),
    "keras-torch": Side("Keras on PyTorch", "keras", "torch"),
    "pytorch": Side("PyTorch eager, fused Adam", "pytorch"),
    "scikit-learn": Side("scikit-learn (no dropout only)", "scikit-learn"),
    FLOAT32: Side("dropstudy, float32", FLOAT32),
    DEFAULT: Side("dropstudy, default precision", DEFAULT),
}


@dataclass(frozen=True)
class Timing:
    """One process of one side.

    Args:
        seconds: per run-epoch.
        by_arm: the same of each network.
        without_last: per run-epoch, the last epochs left out; None where they are like the others.
        start_up: seconds of the process that are not run-epochs.
        val_accuracy: of the last epochs: the sides do the same work only if these agree.
        precision: of the matrix products, where the side says it.
    """

    seconds: float
    by_arm: dict[str, float]
    without_last: float | None
    start_up: float
    val_accuracy: dict[str, float]
    precision: str | None


@dataclass(frozen=True)
class Round:
    """Every side once, and the machine's rates in the same minute."""

    timings: dict[str, Timing]
    arithmetic: dict[str, Arithmetic]


def train(side: Side, python: str, data: Path, epochs: int) -> Timing:
    """Train one side's networks and say what an epoch took."""
    command = [python, str(Path(__file__).with_name("sides.py")), side.program, str(data), str(epochs)]
    wall, lines = watched(command, {"KERAS_BACKEND": side.backend} if side.backend else {})
    ends: dict[str, list[float]] = {}
    rows: dict[str, dict[str, float | str]] = {}  # the last of each network
    for at, text in lines:
        if text.startswith("EPOCH "):
            row = json.loads(text.removeprefix("EPOCH "))
            ends.setdefault(row["arm"], []).append(at)
            rows[row["arm"]] = row
    by_arm = {arm: (at[-1] - at[0]) / (epochs - 1) / side.at_once for arm, at in ends.items()}
    seconds = statistics.mean(by_arm.values())
    without_last = None
    if side.ours and epochs > 2:  # noqa: PLR2004 - the first, the last and one between
        spans = [ends[arm][-1] - ends[arm][0] - float(row["seconds"]) for arm, row in rows.items()]
        without_last = statistics.mean(spans) / (epochs - 2) / side.at_once
    return Timing(
        seconds=seconds,
        by_arm=by_arm,
        without_last=without_last,
        start_up=wall - seconds * epochs * len(ends),
        val_accuracy={arm: float(row["val_accuracy"]) for arm, row in rows.items()},
        precision=next((str(row["precision"]) for row in rows.values() if "precision" in row), None),
    )


def rotated(names: list[str], by: int) -> list[str]:
    """The same names, beginning elsewhere."""
    start = by % len(names)
    return names[start:] + names[:start]


def take(rounds: list[Round], side: str) -> list[Timing]:
    """A side's timings, a round each."""
    return [taken.timings[side] for taken in rounds]


def ratios(rounds: list[Round], side: str, to: str) -> Spread:
    """How many times the other side's seconds this side takes; within each round, so that a slow minute slows both."""
    pairs = zip(take(rounds, side), take(rounds, to), strict=True)
    return spread(mine.seconds / other.seconds for mine, other in pairs)


def side_by_side(rounds: list[Round], names: list[str]) -> str:
    """The table of all sides."""
    ours = {
        name: column for name, column in ((DEFAULT, "/ default"), (FLOAT32, "/ float32")) if name in names
    }
    rows = [["system", "s per run-epoch", *ARMS, "start-up, s", *ours.values(), "val accuracy"]]
    for name in names:
        timings = take(rounds, name)
        by_arm = [
            spread(t.by_arm[arm] for t in timings).text() if arm in timings[0].by_arm else "-" for arm in ARMS
        ]
        last = timings[-1].val_accuracy
        accuracies = [f"{last[arm]:.4f}" for arm in ARMS if arm in last]
        rows.append(
            [
                SIDES[name].name,
                spread(t.seconds for t in timings).text(),
                *by_arm,
                spread(t.start_up for t in timings).text(1),
                *(ratios(rounds, name, to).text() for to in ours),
                " / ".join(accuracies),
            ]
        )
    return table(rows)


def beside_arithmetic(rounds: list[Round], names: list[str]) -> list[str]:
    """The arithmetic's own time, how it comes about, and how many times as long dropstudy takes."""
    lines = [
        f"The arithmetic of a run-epoch, {epoch_flops() / 1e9:.1f} GFLOP:",
        "    2 (60,000 (forward + kernels' gradients + inputs' gradients) + 20,000 forward)",
        "    forward = kernels' gradients = 784 512 + 512 512 + 512 10; inputs' gradients = 512 512 + 512 10",
    ]
    for precision in rounds[0].arithmetic:
        measured = [taken.arithmetic[precision] for taken in rounds]
        rate = spread(a.rate / 1e9 for a in measured).text(0)
        fastest = " or ".join(sorted({a.product for a in measured}))
        seconds = spread(a.seconds for a in measured).text()
        lines.append(f"{precision}: {rate} GFLOP/s, all cores together ({fastest}); so {seconds} s")
    for name in names:
        timings = take(rounds, name)
        used = timings[0].precision
        if not SIDES[name].ours or used is None:
            continue
        own = [taken.arithmetic[used].seconds for taken in rounds]
        all_epochs = spread(t.seconds / s for t, s in zip(timings, own, strict=True)).text()
        line = f"{SIDES[name].name} ({used}): {all_epochs} times the arithmetic"
        without_last = [t.without_last for t in timings if t.without_last is not None]
        if len(without_last) == len(own):
            ordinary = spread(t / s for t, s in zip(without_last, own, strict=True)).text()
            line += f"; without the last epoch {spread(without_last).text()} s, {ordinary} times"
        lines.append(line)
    return lines


def draw(rounds: list[Round], names: list[str], device: str, epochs: int) -> alt.LayerChart:
    """Seconds per run-epoch of each side: a bar to the median, a line from the fastest round to the slowest."""
    rows = []
    for name in names:
        taken = spread(t.seconds for t in take(rounds, name))
        values = {"median": taken.median, "low": taken.low, "high": taken.high}
        rows.append({"side": SIDES[name].name, "ours": SIDES[name].ours, **values})
    base = alt.Chart(theme.inline_data(pd.DataFrame(rows))).encode(
        y=alt.Y(
            "side:N",
            sort=alt.EncodingSortField("median", order="descending"),
            title=None,
            axis=alt.Axis(labelLimit=0),
        )
    )
    color = alt.condition("datum.ours", alt.value(palette.BLUE), alt.value(palette.AXIS))
    seconds = alt.X("median:Q", title="Seconds per run-epoch", scale=alt.Scale(zero=True))
    layers = [
        base.mark_bar(height=16).encode(x=seconds, color=color),
        base.mark_rule(color=palette.INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q"),
        base.mark_text(align="left", dx=6, color=palette.INK).encode(
            x="high:Q", text=alt.Text("median:Q", format=".2f")
        ),
    ]
    subtitle = [
        f"Median of {len(rounds)} rounds, line from lowest to highest; {epochs} epochs of MNIST each",
        device,
    ]
    chart = alt.LayerChart(layer=layers).properties(
        width=460,
        height=26 * len(rows),
        title=alt.Title("The notebook's two networks: time of a run-epoch", subtitle=subtitle),
        description="Seconds per run-epoch of each system, shorter is faster.",
    )
    return theme.themed(chart)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument(
        "--examples", type=int, default=TRAINED, help="training examples; fewer to try it out"
    )
    parser.add_argument("--sides", default=",".join(SIDES), help="some of %(default)s")
    parser.add_argument("--peer-python", default=sys.executable, help="has the peers' packages")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing there")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw there, as PNG")
    options = parser.parse_args()
    names = options.sides.split(",")
    if unknown := set(names) - set(SIDES):
        parser.error(f"--sides: expected some of {', '.join(SIDES)}, received {', '.join(sorted(unknown))}")
    if options.epochs < 2:  # noqa: PLR2004 - the first and the last
        parser.error("--epochs: expected 2 or more, since the first is start-up")

    about = head(
        peers=versions(*PEER_PACKAGES, python=options.peer_python),
        examples=options.examples,
        epochs=options.epochs,
        n=options.repeats,
    )
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "mnist.npz"
        write_npz(data, options.examples)
        for number in range(options.repeats):
            arithmetic = measure_arithmetic()
            timings = {}
            for name in rotated(names, number):
                python = sys.executable if SIDES[name].ours else options.peer_python
                timings[name] = train(SIDES[name], python, data, options.epochs)
                print(f"round {number + 1}  {name:18} {timings[name].seconds:6.2f} s", flush=True)
            rounds.append(Round(timings, arithmetic))

    write_json(options.json, about, rounds=[asdict(taken) for taken in rounds])
    print(f"\nMedian (lowest to highest) of {options.repeats}; / is how many times dropstudy's seconds.\n")
    print(side_by_side(rounds, names))
    if options.examples == TRAINED:
        print("", *beside_arithmetic(rounds, names), sep="\n")
    if options.chart:
        save(
            draw(rounds, names, about["device"], options.epochs).to_dict(), options.chart.with_suffix(".png")
        )


if __name__ == "__main__":
    main()
