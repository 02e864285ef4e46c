"""Use trained networks: `dropstudy predict` and `dropstudy export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dropstudy.cli.options import ArmName, Folder, HiddenOf, Seed, TrainSize
from dropstudy.cli.output import echo
from dropstudy.core.streams import terminal
from dropstudy.core.text import counted


class ExportFormat(StrEnum):
    """Formats that `export` writes."""

    KERAS = "keras"
    SAFETENSORS = "safetensors"


def predict(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    folder: Folder,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="A PNG, a folder of PNGs, .npy, .npz or IDX.", show_default=False
        ),
    ],
    arm: ArmName = None,
    seed: Seed = None,
    hidden: HiddenOf = None,
    train_size: TrainSize = None,
    scale: Annotated[
        float | None, typer.Option(help="What INPUT is divided by; found from the values if left out.")
    ] = None,
    invert: Annotated[
        bool, typer.Option("--invert", help="Turn light into dark: black on white into white on black.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write CSV there instead of a table on screen.")] = None,
) -> None:
    """Classify examples with a trained network: labels and probabilities.

    Example: dropstudy predict studies/notebook digit.png --arm "dropout 0.8"
    """
    from dropstudy.core import tables
    from dropstudy.store.outputs import refuse_overwriting
    from dropstudy.study.study import Study

    study = Study.open(folder)
    if out is not None:
        refuse_overwriting(out, inputs=(source, study.metadata["data_source"]), kind=".csv")
    frame = study.predict(
        source,
        arm=arm,
        seed=seed,
        hidden=hidden,
        train_size=train_size,
        scale=scale,
        invert=invert,
        notify=lambda note: typer.echo(note, err=True),  # standard output is for the table
    )
    if out is not None:
        tables.write_csv(frame, out)
        echo(f"{counted(len(frame), 'example')}: {out}")
    elif terminal():
        typer.echo(tables.text(frame))
    else:
        typer.echo(tables.csv(frame), nl=False)


def export(  # noqa: PLR0917 - as above
    folder: Folder,
    arm: ArmName = None,
    seed: Seed = None,
    hidden: HiddenOf = None,
    train_size: TrainSize = None,
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="A file for Keras, or bare tensors.")
    ] = ExportFormat.KERAS,
    out: Annotated[Path | None, typer.Option(help="The file; named after the arm if left out.")] = None,
) -> None:
    """Write a trained network to a file that Keras or anything else can load.

    Example: dropstudy export studies/notebook --arm "dropout 0.8" --format keras
    """
    from dropstudy.study.study import Study

    study = Study.open(folder)
    path = study.export(
        arm=arm, seed=seed, hidden=hidden, train_size=train_size, file_format=file_format.value, out=out
    )
    scale = study.metadata["scale"]
    divided = f", divided by {scale:g}" if scale != 1 else ""
    echo(f"{path}\nIts input: {study.features} numbers an example{divided}.")
    if file_format is ExportFormat.KERAS:
        echo(
            "Open it with keras.models.load_model; where only jax is installed, set KERAS_BACKEND=jax first."
        )
