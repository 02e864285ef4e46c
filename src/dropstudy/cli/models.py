"""Use trained networks: `dropstudy predict` and `dropstudy export`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropstudy.cli.completion import choice
from dropstudy.cli.options import ArmName, Folder, Hidden, Seed, TrainSize, number_option
from dropstudy.cli.output import echo
from dropstudy.core.streams import is_terminal
from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot


def predict(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    folder: Folder,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="An image, a folder of images, .npy, .npz or IDX; or a table, CSV or Parquet. With labels (a column, "
            "y, folders of classes) the accuracy is printed.",
            show_default=False,
        ),
    ],
    arm: ArmName = None,
    seed: Seed = None,
    hidden: Hidden = None,
    train_size: TrainSize = None,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Average the probabilities of the networks of all seeds of the arm."),
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of a table with the labels; default: the study's.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        float | None, number_option("Number that INPUT is divided by; default: found from its values.")
    ] = None,
    invert: Annotated[
        bool, typer.Option("--invert", help="Invert brightness, for digits that are black on white.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write CSV to this file, print no table.")
    ] = None,
) -> None:
    """Classify examples with a trained network. Prints labels and probabilities.

    Example: dropstudy predict studies/notebook digit.png --arm 0.8
    """
    from dropstudy.core import tables
    from dropstudy.store.outputs import refuse_overwriting
    from dropstudy.study.prediction import FACTS
    from dropstudy.study.study import Study

    results = Study.open(folder).results()
    if out is not None:
        refuse_overwriting(out, inputs=(source, results.snapshot.metadata["data_source"]), kind=".csv")
    frame = results.predict(
        source,
        arm=arm,
        seed=seed,
        hidden=hidden,
        train_size=train_size,
        ensemble=ensemble,
        target=target,
        scale=scale,
        invert=invert,
        verbose=False,
        notify=lambda note: echo(note, err=True),  # standard output is for the table
    )
    if out is not None:
        tables.write_csv(frame, out)
        echo(f"{counted(len(frame), 'example')}: {out}")
    elif is_terminal():
        typer.echo(tables.text(frame))
    else:
        typer.echo(tables.csv(frame), nl=False)
    echo("\n".join(frame.attrs[FACTS]), err=True)


def export(  # noqa: PLR0917 - as above
    folder: Folder,
    arm: ArmName = None,
    seed: Seed = None,
    hidden: Hidden = None,
    train_size: TrainSize = None,
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            **choice("keras|onnx|safetensors|mlflow|tensorboard"),
            help="A network as a file for Keras; for ONNX runtimes, with raw examples as its input; or plain tensors. "
            "Or the whole study for MLflow or TensorBoard.",
        ),
    ] = "keras",
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URI|DIR",
            help="The file; default: named after the arm. For mlflow its store, a SQLite file or a URI; "
            "default: mlflow.db, or $MLFLOW_TRACKING_URI. For tensorboard a folder; default: DIR/tensorboard.",
        ),
    ] = None,
) -> None:
    """Write a trained network to a file that other programs load, or the study to MLflow or TensorBoard.

    Example: dropstudy export studies/notebook --arm 0.8 --format onnx
    """
    from dropstudy.study.export import export as written
    from dropstudy.study.selection import select
    from dropstudy.study.study import Study
    from dropstudy.study.tracking import TRACKERS

    snapshot = Study.open(folder).results().snapshot
    if out is not None and not out.strip():
        raise InvalidArgument("out", expected="a path or a URI", received=repr(out), next_step="Name one.")
    if file_format in TRACKERS:
        chosen = {"arm": arm, "seed": seed, "hidden": hidden, "train_size": train_size}
        _export_study(snapshot, file_format, out, chosen)
        return
    selection = select(snapshot, arm=arm, seed=seed, hidden=hidden, train_size=train_size)
    path, takes = written(snapshot, selection.runs[0], file_format, None if out is None else Path(out))
    echo(f"{path}\nIts input: {takes}.")
    if file_format == "keras":
        echo("Open it with keras.models.load_model. If only jax is installed, set KERAS_BACKEND=jax first.")
    if file_format == "onnx":
        echo("Its output: probabilities, in the order of the classes in its metadata.")
    echo(str(selection), err=True)


def _export_study(snapshot: Snapshot, file_format: str, out: str | None, chosen: dict[str, Any]) -> None:
    """Export a whole study, and print how to look at it."""
    from dropstudy.study.tracking import export_study

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # else a wrong address takes minutes
    place, *counts = export_study(snapshot, file_format, out, **chosen)
    new, changed, unchanged = counts
    what = "run" if file_format == "mlflow" else "event file"
    echo(
        f"{place}\nStudy, arms and seeds: {counted(new, f'new {what}')}, {changed:,} changed, {unchanged:,} as before."
    )
    if file_format == "tensorboard":
        echo(f"Look at them: tensorboard --logdir {shlex.quote(str(place))}")
    elif "://" in str(place) and not str(place).startswith("http"):
        echo(f"Look at them: mlflow ui --backend-store-uri {shlex.quote(str(place))}")
