"""The command line: parse, call the study or the report, print. No command knows more than that."""

from __future__ import annotations

import io
import shlex
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dropstudy.errors import DropstudyError, InvalidArgument, RunsFailed

app = typer.Typer(
    name="dropstudy",
    help="Does dropout help my network, at which rate, and how sure can I be?",
    epilog="Start with: dropstudy run. It trains the Keras notebook's two networks and says what they show.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INTERRUPTED = 130

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The study's folder.", show_default=False)]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder to look for data in, before $DROPSTUDY_DATA.", show_default=False)
]
ArmName = Annotated[str | None, typer.Option(help="Name of the arm; the baseline if left out.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the run; the first if left out.")]


class ExportFormat(StrEnum):
    """What `export` writes."""

    KERAS = "keras"
    SAFETENSORS = "safetensors"


@app.command()
def run(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    spec: Annotated[
        str, typer.Argument(metavar="[SPEC]", help="A preset, a study file or a study's folder.")
    ] = "notebook",
    out: Annotated[Path | None, typer.Option(help="The study's folder; studies/NAME if left out.")] = None,
    data: Annotated[str | None, typer.Option(help="mnist, fashion_mnist, digits or an .npz file.")] = None,
    data_dir: DataDir = None,
    rates: Annotated[str | None, typer.Option(help="Rates to compare, the first as baseline: 0,0.5.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="How many seeds: 6. Or which: 3,4,5 or 42, for one.")
    ] = None,
    hidden: Annotated[str | None, typer.Option(help="Units of each hidden layer: 512,512.")] = None,
    activation: Annotated[
        str | None, typer.Option(help="Of the hidden layers: relu, tanh or sigmoid.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples per step.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Training examples held out, a share or a count; or test.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes, one core each; all cores if left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result alone.")] = False,
) -> None:
    """Train a study, or go on with one, and say what it shows.

    Example: dropstudy run notebook --epochs 5 --out studies/quick
    """
    from dropstudy.folder import command
    from dropstudy.progress import EpochLines, Silent
    from dropstudy.study import Study

    study = Study(
        spec,
        out=out,
        data_dir=data_dir,
        data=data,
        rates=_list("rates", rates, float, "0,0.5"),
        seeds=_seeds(seeds),
        hidden=_list("hidden", hidden, int, "512,512"),
        activation=activation,
        epochs=epochs,
        batch_size=batch_size,
        validation=_validation(validation),
        precision=precision,
    )
    if study.finished and not quiet:
        typer.echo(f"This study is finished; nothing to train. {study.folder}")
    try:
        study.run(workers=workers, device=device, listener=Silent() if quiet else EpochLines())
        _print_result(study)
        if not study.reported:
            files = study.report()
            typer.echo(f"\nFigures and tables: {study.folder} ({len(files)} files)")
            arm = shlex.quote(study.spec.arms[-1].name)
            typer.echo(f"A trained network: {command('export', study.folder)} --arm {arm}")
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. {_how_to_go_on(study, data_dir)}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    _report_failures(study)


@app.command()
def show(folder: Folder) -> None:
    """Print a study's table and what it shows.

    Example: dropstudy show studies/notebook
    """
    from dropstudy.study import Study

    study = Study.open(folder)
    _print_result(study)
    _report_failures(study)


@app.command()
def report(folder: Folder) -> None:
    """Write a study's figures (PNG and SVG), tables (CSV) and conclusion into its folder.

    Example: dropstudy report studies/notebook
    """
    from dropstudy.study import Study

    for path in Study.open(folder).report():
        typer.echo(path)


@app.command()
def predict(
    folder: Folder,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="A PNG, a folder of PNGs, .npy, .npz or IDX.", show_default=False
        ),
    ],
    arm: ArmName = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option(help="Write CSV there instead of a table on screen.")] = None,
) -> None:
    """Classify examples with a trained network: labels and probabilities.

    Example: dropstudy predict studies/notebook digit.png --arm "dropout 0.8"
    """
    from dropstudy import tables
    from dropstudy.study import Study

    frame = Study.open(folder).predict(source, arm=arm, seed=seed)
    if out is not None:
        tables.write_csv(frame, out)
        typer.echo(f"{len(frame)} examples: {out}")
    elif sys.stdout.isatty():
        typer.echo(tables.text(frame))
    else:
        typer.echo(frame.to_csv(index=False), nl=False)


@app.command()
def export(
    folder: Folder,
    arm: ArmName = None,
    seed: Seed = None,
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="A file for Keras, or bare tensors.")
    ] = ExportFormat.KERAS,
    out: Annotated[Path | None, typer.Option(help="The file; named after the arm if left out.")] = None,
) -> None:
    """Write a trained network to a file that Keras or anything else can load.

    Example: dropstudy export studies/notebook --arm "dropout 0.8" --format keras
    """
    from dropstudy.study import Study

    study = Study.open(folder)
    path = study.export(arm=arm, seed=seed, file_format=file_format.value, out=out)
    scale = study.facts["scale"]
    divided = f", divided by {scale:g}" if scale != 1 else ""
    typer.echo(f"{path}\nIts input: {study.features} numbers an example{divided}.")
    if file_format is ExportFormat.KERAS:
        typer.echo(
            "Open it with keras.models.load_model; where only jax is installed, set KERAS_BACKEND=jax first."
        )


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this preset's file.")] = None,
) -> None:
    """List the study files that ship, or print one.

    Example: dropstudy presets notebook > mine.toml
    """
    from dropstudy import presets as shipped

    if name is None:
        for preset in shipped.names():
            typer.echo(f"{preset}: {shipped.title(preset)}")
    elif name in shipped.names():
        typer.echo(shipped.text(name), nl=False)
    else:
        raise InvalidArgument("NAME", expected=f"one of {', '.join(shipped.names())}", received=repr(name))


@app.command()
def data(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A dataset's name or file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Say where data is looked for, what is there, and what shape it has.

    Example: dropstudy data mnist
    """
    from dropstudy.data import describe, load_dataset

    for line in describe.where(name, data_dir):
        typer.echo(line)
    if name is not None:
        for line in describe.shapes(load_dataset(name, data_dir=data_dir)):
            typer.echo(line)


@app.command()
def doctor() -> None:
    """Say what training would use here: device, precision, workers, versions, folders.

    Example: dropstudy doctor
    """
    from dropstudy import doctor as examination

    for line in examination.lines():
        typer.echo(line)


def main() -> None:
    """Run the command line. An error that the user can mend is one line and an exit code, no traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an arm's name may hold what a terminal cannot
    try:
        app()
    except DropstudyError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a disk, a folder, a permission: not a fault of the program
        typer.echo(f"Error: {error}", err=True)
        sys.exit(DropstudyError.exit_code)


def _print_result(study: Any) -> None:
    from dropstudy import tables
    from dropstudy.progress import FALLBACK
    from dropstudy.report import summary_cells

    if study.facts["fallback"]:
        typer.echo(FALLBACK)
    typer.echo("")
    typer.echo(tables.text(summary_cells(study.summaries())))
    for sentence in study.conclusion():
        typer.echo(sentence)


def _report_failures(study: Any) -> None:
    failures = study.failures()
    if failures:
        raise RunsFailed(
            str(study.folder),
            expected="every run to finish",
            received="; ".join(failures),
            next_step="The others are kept.",
        )


def _how_to_go_on(study: Any, data_dir: Path | None) -> str:
    from dropstudy.folder import command
    from dropstudy.spec import is_study

    if not is_study(study.folder):
        return "Nothing was begun. The same command starts again."
    data = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
    return f"What was done is kept. Go on with: {command('run', study.folder)}{data}"


def _list(name: str, text: str | None, kind: type, example: str) -> list[Any] | None:
    if text is None:
        return None
    try:
        return [kind(part) for part in text.removesuffix(",").split(",")]
    except ValueError as error:
        raise InvalidArgument(
            f"--{name}", expected=f"numbers with commas between, such as {example}", received=repr(text)
        ) from error


def _seeds(text: str | None) -> int | list[Any] | None:
    values = _list("seeds", text, int, "3,4,5")
    return values if values is None or "," in (text or "") else values[0]


def _validation(text: str | None) -> str | float | int | None:
    if text is None or text == "test":
        return text
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise InvalidArgument(
            "--validation", expected="test, a share such as 0.1 or a count such as 10000", received=repr(text)
        ) from error
