"""How long does a run-epoch take: dropstudy beside Keras, PyTorch, scikit-learn and dense arithmetic alone?

    python benchmarks/peers.py --peer-python /path/to/python/with/the/peers

Each side trains a network for each rate on MNIST in a process of its own (`sides.py`). dropstudy trains as many at once
as there are cores, one on each. Peers do it in two ways: one network after the other on all cores, or as dropstudy
does ("a core each"). Every round runs every side once, in an order that rotates, and measures how fast the machine
multiplies matrices (`arithmetic.py`).

    seconds per run-epoch   from the end of a network's first epoch to the end of its last, over the epochs in
                            between, divided by the networks that train at once. Looking at the test set after each
                            epoch is part of it; for dropstudy also all that it measures on training examples.
    start-up                from the start of the process until a first network trains as fast: imports, data,
                            building, compilation. dropstudy and PyTorch keep compiled programs on disk, so only a
                            first round can be cold.

Ratios and chart have the faster way of each system, network by network. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from arithmetic import TRAINED, epoch_flops
from arithmetic import measure as measure_arithmetic
from chart_files import save_chart
from common import ARMS, PEER_PACKAGES, cores, head, spread, table, versions, watched, write_json, write_npz
from dropstudy.core.hardware import physical_cores
from dropstudy.core.text import counted
from dropstudy.report.charts import palette, theme
from sides import arm_name

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = "dropstudy"
BOTH = "the notebook's two"


@dataclass(frozen=True)
class Side:
    """One system, trained in one way.

    Args:
        system: for people.
        program: what sides.py calls it.
        environment: variables of its process.
        core_each: networks train at once, on a core each; else one after the other.
    """

    system: str
    program: str
    environment: dict[str, str] = field(default_factory=dict)
    core_each: bool = False

    @property
    def name(self) -> str:
        """System and way."""
        return f"{self.system}, a core each" if self.core_each else self.system

    def at_once(self, networks: int) -> int:
        """Networks that train at the same time."""
        at_once = physical_cores() if self.program == OURS else len(cores()) if self.core_each else 1
        return min(at_once, networks)


PEERS = {
    "keras-jax": Side("Keras on JAX", "keras", {"KERAS_BACKEND": "jax"}),
    "keras-tensorflow": Side("Keras on TensorFlow", "keras", {"KERAS_BACKEND": "tensorflow"}),
    "keras-torch": Side("Keras on PyTorch", "keras", {"KERAS_BACKEND": "torch"}),
    "pytorch": Side("PyTorch eager, fused Adam", "pytorch"),
    "pytorch-compile": Side("PyTorch, torch.compile", "pytorch-compile"),
}
SIDES = {
    OURS: Side(OURS, OURS),
    "dropstudy-xla": Side("dropstudy with XLA's programs", OURS, {"DROPSTUDY_KERNELS": "off"}),
    **PEERS,
    **{f"{name}-core-each": replace(side, core_each=True) for name, side in PEERS.items()},
    "scikit-learn": Side("scikit-learn", "scikit-learn"),
}


@dataclass(frozen=True)
class Timing:
    """One process of one side.

    Args:
        seconds: per run-epoch, of each network.
        start_up: seconds until the first epoch's end, less what later ones take.
        val_accuracy: of the last epochs: the sides do the same work only if these agree.
    """

    seconds: dict[str, float]
    start_up: float
    val_accuracy: dict[str, float]


@dataclass(frozen=True)
class Round:
    """Every side once, and in the same minute the machine's operations a second by library and shape."""

    timings: dict[str, Timing]
    arithmetic: dict[str, dict[str, float]]


def train(side: Side, python: str, data: Path, options: argparse.Namespace) -> Timing:
    """Train one side's networks and say what an epoch took."""
    command = [python, str(Path(__file__).with_name("sides.py")), side.program, str(data)]
    command += [str(options.epochs), "--hidden", options.hidden, "--rates", options.rates]
    _, lines = watched([*command, *(["--core-each"] if side.core_each else [])], side.environment)
    epochs: dict[str, list[dict[str, float]]] = {
        arm_name(float(rate)): [] for rate in options.rates.split(",")
    }
    for at, text in lines:
        if text.startswith("EPOCH "):
            row = json.loads(text.removeprefix("EPOCH "))
            epochs[row["arm"]].append({"at": at, **row})
    epochs = {arm: rows for arm, rows in epochs.items() if rows}  # scikit-learn has no dropout
    of_epoch = {}
    for arm, (first, *others) in epochs.items():
        # dropstudy tells of an epoch when it is stored, perhaps with the next one: its own clock says the least.
        own_clock = sum(row.get("seconds", 0) for row in others)
        of_epoch[arm] = max(others[-1]["at"] - first["at"], own_clock) / len(others)
    return Timing(
        {arm: seconds / side.at_once(len(epochs)) for arm, seconds in of_epoch.items()},
        min(rows[0]["at"] - of_epoch[arm] for arm, rows in epochs.items()),
        {arm: rows[-1]["val_accuracy"] for arm, rows in epochs.items()},
    )


def rotated(names: list[str], by: int) -> list[str]:
    """The same names, beginning elsewhere."""
    start = by % len(names)
    return names[start:] + names[:start]


def seconds_of(rounds: list[Round], name: Callable[[Side], str]) -> pd.DataFrame:
    """Seconds per run-epoch by arm and round, a column for each name; of sides with one name the least."""
    rows = [
        {"arm": arm, "round": number, "name": name(SIDES[side]), "seconds": seconds}
        for number, taken in enumerate(rounds)
        for side, timing in taken.timings.items()
        for arm, seconds in timing.seconds.items()
    ]
    seconds = pd.DataFrame(rows).pivot_table("seconds", ["arm", "round"], "name", aggfunc="min", sort=False)
    if set(ARMS) <= set(seconds.index.get_level_values("arm")):
        both = sum(seconds.loc[arm] for arm in ARMS) / len(ARMS)
        seconds = pd.concat([seconds, pd.concat({BOTH: both}, names=["arm"])])
    return seconds


def cells(values: pd.DataFrame) -> pd.DataFrame:
    """Median, lowest and highest of the rounds, a row for each name; "-" where something is missing."""
    texts = values.groupby("arm", sort=False).agg(
        lambda taken: "-" if taken.hasnans else spread(taken).text()
    )
    return texts.T


def side_by_side(rounds: list[Round]) -> str:
    """The table of seconds, a row for each side."""
    seconds = cells(seconds_of(rounds, lambda side: side.name))
    rows = [["seconds per run-epoch", *seconds.columns, "start-up, s", "val accuracy"]]
    for key in rounds[0].timings:
        timings, name = [taken.timings[key] for taken in rounds], SIDES[key].name
        start_up = spread(timing.start_up for timing in timings).text(1)
        accuracies = " / ".join(f"{value:.4f}" for value in timings[-1].val_accuracy.values())
        rows.append([name, *seconds.loc[name], start_up, accuracies])
    return table(rows)


def compared(seconds: pd.DataFrame) -> str:
    """The table of ratios within each round, so that a slow minute slows both."""
    ratios = cells(seconds.div(seconds[OURS], axis=0).drop(columns=OURS))
    rows = [[f"times as long as {OURS}", *ratios.columns]]
    return table(rows + [[str(name), *texts] for name, *texts in ratios.itertuples()])


def draw(seconds: pd.DataFrame, rates: dict[str, float], subtitle: list[str]) -> alt.LayerChart:
    """Median seconds per run-epoch of each system over the rate; dropstudy in colour, the others grey."""
    medians = seconds.groupby("arm").median().loc[list(rates)].rename(index=rates).rename_axis("rate")
    rows = medians.reset_index().melt("rate", var_name="system", value_name="seconds").dropna()
    rows["ours"] = rows["system"] == OURS
    top = 1.05 * rows["seconds"].max()
    ends = rows.loc[rows.groupby("system")["rate"].idxmax()].sort_values("seconds")
    for below, row in itertools.pairwise(ends.index):  # labels keep a distance
        ends.loc[row, "seconds"] = max(ends.loc[row, "seconds"], ends.loc[below, "seconds"] + top / 20)
    color = alt.condition("datum.ours", alt.value(palette.BLUE), alt.value(palette.AXIS))
    x = alt.X(
        "rate:Q", title="Dropout rate", axis=alt.Axis(values=sorted(rates.values()), format="~g", grid=False)
    )
    y = alt.Y(
        "seconds:Q",
        title="Seconds per run-epoch",
        scale=alt.Scale(domain=[0, top]),
        axis=alt.Axis(tickCount=6, format="~g"),
    )
    base = alt.Chart(theme.inline_data(rows)).encode(x=x, y=y, detail="system:N", color=color)
    layers = [
        base.mark_line().encode(strokeWidth=alt.condition("datum.ours", alt.value(3), alt.value(1.5))),
        base.mark_point(filled=True, size=50, opacity=1),
        alt.Chart(theme.inline_data(ends))
        .mark_text(align="left", dx=10)
        .encode(
            x=x,
            y=y,
            text="system:N",
            color=alt.condition("datum.ours", alt.value(palette.BLUE), alt.value(palette.INK)),
        ),
    ]
    title = alt.Title("Time of an epoch of training over the dropout rate", subtitle=subtitle)
    return theme.themed(alt.LayerChart(layer=layers).properties(width=400, height=340, title=title))


def report(rounds: list[Round], fastest: pd.DataFrame, flops: float) -> None:
    """Print the tables."""
    print(f"\nMedian (lowest to highest) of {len(rounds)}.\n\n{side_by_side(rounds)}\n")
    speeds = pd.DataFrame(
        [{name: max(rates.values()) for name, rates in taken.arithmetic.items()} for taken in rounds]
    )
    print(
        f"Dense arithmetic of a run-epoch: {flops / 1e9:.1f} GFLOP. All cores together multiply, in GFLOP/s:"
    )
    print(
        *(f"    {name} {spread(each / 1e9).text(0)}" for name, each in speeds.items()), sep="\n", end="\n\n"
    )
    dense = (flops / speeds.max(axis=1)).reindex(fastest.index, level="round")
    print(compared(fastest.assign(**{"dense arithmetic alone": dense})), end="\n\n")
    ours = fastest[OURS]
    first, *others = dict.fromkeys(fastest.index.get_level_values("arm").drop(BOTH, errors="ignore"))
    for arm in others:
        print(f"{OURS}, {arm}: {spread(ours[arm] / ours[first]).text()} times as long as with {first}")


def arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument(
        "--examples", type=int, default=TRAINED, help="training examples; fewer to try it out"
    )
    parser.add_argument("--rates", default="0,0.8", help="a network for each; a multiple of the cores")
    parser.add_argument("--hidden", default="512-512", help="units of each hidden layer")
    parser.add_argument("--sides", default=",".join(SIDES), help=f"{OURS} and some of %(default)s")
    parser.add_argument("--peer-python", default=sys.executable, help="has the peers' packages")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing there")
    parser.add_argument("--chart", type=Path, metavar="NAME", help="draw NAME_light.png and NAME_dark.png")
    options = parser.parse_args()
    names, at_once = options.sides.split(","), SIDES[OURS].at_once(options.rates.count(",") + 1)
    if unknown := set(names) - set(SIDES):
        parser.error(f"--sides: expected some of {', '.join(SIDES)}, received {', '.join(sorted(unknown))}")
    if (options.rates.count(",") + 1) % at_once:
        parser.error(f"--rates: expected a multiple of {at_once}, as many as train at once")
    if options.epochs < 2:  # noqa: PLR2004 - the first and the last
        parser.error("--epochs: expected 2 or more, since the first is start-up")
    return options


def main() -> None:
    """Run the rounds, print the tables, draw the chart."""
    options = arguments()
    rates = {arm_name(rate): rate for rate in map(float, options.rates.split(","))}
    names = list(dict.fromkeys([OURS, *options.sides.split(",")]))
    if ARMS[0] not in rates and "scikit-learn" in names:
        names.remove("scikit-learn")  # it has no dropout
    hidden = [int(units) for units in options.hidden.split("-")]
    about: dict[str, Any] = head(
        peers=versions(*PEER_PACKAGES, python=options.peer_python),
        hidden=options.hidden,
        examples=options.examples,
        epochs=options.epochs,
        n=options.repeats,
    )
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "mnist.npz"
        write_npz(data, options.examples)
        for number in range(options.repeats):
            arithmetic = measure_arithmetic(cores(), hidden, options.peer_python)
            timings = {}
            for name in rotated(names, number):
                python = sys.executable if SIDES[name].program == OURS else options.peer_python
                timings[name] = train(SIDES[name], python, data, options)
                seconds = "  ".join(f"{value:6.2f}" for value in timings[name].seconds.values())
                print(f"round {number + 1}  {name:26} {seconds} s", flush=True)
            rounds.append(Round({name: timings[name] for name in names}, arithmetic))

    write_json(options.json, about, rounds=[asdict(taken) for taken in rounds])
    fastest = seconds_of(rounds, lambda side: side.system)
    report(rounds, fastest, epoch_flops(hidden, options.examples))
    if options.chart:
        rounds_taken = counted(options.repeats, "round")
        subtitle = f"MNIST, {options.hidden}; {options.epochs} epochs, median of {rounds_taken}, float32"
        save_chart(draw(fastest, rates, [subtitle, about["device"]]), options.chart)


if __name__ == "__main__":
    main()
