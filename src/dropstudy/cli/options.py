"""Options that several commands share, and parsers for the values of options.

A parser's error names expected and received; `main` puts the option's name before it.
"""

from __future__ import annotations

import csv
import errno
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dropstudy.cli.groups import DATA, MODEL
from dropstudy.errors import InvalidArgument


def _refuse(expected: str, text: str, next_step: str = "", cause: Exception | None = None) -> NoReturn:
    raise typer.BadParameter(f"expected {expected}, received {text!r}. {next_step}".rstrip()) from cause


def folder(value: str | Path) -> Path:
    """Path of a study's folder. An empty text is refused: it comes from a shell variable that is not set."""
    text = str(value)  # a default, which typer parses too, is a path already
    if not text.strip():
        _refuse("a path such as studies/notebook", text, "For the current folder, write '.'.")
    path = Path(text)
    try:
        path.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _refuse("a path that the file system allows", text, "The name is too long.", error)
    except ValueError:  # a null byte; the study's own check names it
        pass
    return path


def whole(value: str | int) -> int:
    """Parse a whole number of 0 or more. Defaults, which typer parses too, are numbers already."""
    text = str(value)
    if not text.strip().isdecimal():
        _refuse("a whole number of 0 or more", text)
    return int(text)


def number(text: str) -> float:
    """Parse a number."""
    try:
        return float(text)
    except ValueError as error:
        _refuse("a number", text, cause=error)


def _parts(text: str, kind: type, expected: str) -> list[Any]:
    try:
        return [kind(part) for part in text.removesuffix(",").split(",")]
    except ValueError as error:
        _refuse(expected, text, cause=error)


def rates(text: str) -> list[float]:
    """Parse dropout rates, `0,0.5`."""
    return _parts(text, float, "numbers with commas between, such as 0,0.5")


def layers(text: str) -> list[int]:
    """Parse the layer widths of one network, `512,512`."""
    return _parts(text, int, "numbers with commas between, such as 512,512")


def seed_list(text: str) -> list[int]:
    """Parse seeds, `3,4`."""
    return _parts(text, int, "numbers with commas between, such as 3,4,5")


def seeds(text: str) -> int | list[int]:
    """Parse a number of seeds, or the seeds themselves: a comma makes a list."""
    parsed = seed_list(text)
    return parsed if "," in text else parsed[0]


def sizes(text: str) -> list[int | str]:
    """Parse training sizes, `1000,all`."""
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    try:
        return [part if part == "all" else int(part) for part in parts]
    except ValueError as error:
        _refuse("counts with commas between, or all, such as 1000,10000,all", text, cause=error)


def scale(text: str) -> float | str:
    """Parse the number that inputs are divided by, or `auto`."""
    try:
        return text if text == "auto" else float(text)
    except ValueError as error:
        _refuse("auto or a number such as 255", text, cause=error)


def columns(text: str) -> list[str]:
    """Parse names, such as those of columns, `id,name`; one with a comma is in quotes, as in a CSV file."""
    return [part.strip() for part in next(csv.reader([text])) or [""]]


def joined(lists: list[list[str]] | None) -> list[str] | None:
    """What an option that may be given several times names in all."""
    return None if lists is None else [name for names in lists for name in names]


def share_or_count(text: str) -> float | int:
    """Parse a share or a count of the examples."""
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        _refuse("a share such as 0.2 or a count such as 1000", text, cause=error)


def image_size(text: str) -> int | list[int]:
    """Parse a height and width in pixels, `32` or `32,48`."""
    parsed = _parts(text, int, "pixels such as 32, or a height and width such as 32,48")
    return parsed if "," in text else parsed[0]


def validation_split(text: str) -> str | float | int:
    """Parse `test`, a share or a count of the training examples."""
    try:
        return text if text == "test" else int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        _refuse("test, a share such as 0.1 or a count such as 10000", text, cause=error)


def arm(text: str) -> dict[str, Any]:
    """Parse the settings of one arm, `rate=0.5,max_norm=3`, or with a rate for each hidden layer, `rate=0.2,0.5`."""
    settings: dict[str, Any] = {}
    name = ""
    for part in text.removesuffix(",").split(","):
        before, equals, after = part.partition("=")
        value = _value((after if equals else before).strip())
        name = before.strip() if equals else name
        if not equals and (name != "rate" or isinstance(value, str)):
            _refuse(
                "settings with commas between, such as rate=0.5,max_norm=3",
                text,
                "Give --arms once for each arm. If only the rate differs, --rates 0,0.5 is shorter.",
            )
        if equals:
            settings[name] = value
        else:  # the rate of one more layer
            given = settings[name]
            settings[name] = [*(given if isinstance(given, list) else [given]), value]
    return settings


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def optimizer(text: str) -> dict[str, Any]:
    """Parse an optimizer by its name and settings, `sgd,momentum=0.9`; either may be left out."""
    settings: dict[str, Any] = {}
    for part in text.removesuffix(",").split(","):
        name, equals, value = part.partition("=")
        if equals:
            settings[name.strip()] = _value(value.strip())
        elif settings or not part.strip():
            _refuse("adam or sgd, and settings with commas between, such as sgd,momentum=0.9", text)
        else:
            settings["name"] = part.strip()
    return settings


def with_learning_rate(settings: dict[str, Any] | None, learning_rate: float | None) -> dict[str, Any] | None:
    """Settings of `--optimizer` with that of `--learning-rate`."""
    if learning_rate is None:
        return settings
    if settings is not None and "learning_rate" in settings:
        raise InvalidArgument(
            "--learning-rate",
            expected="one learning rate",
            received="--learning-rate and learning_rate in --optimizer",
            next_step="Leave one of them out.",
        )
    return {**(settings or {}), "learning_rate": learning_rate}


def whole_option(help_text: str, **settings: Any) -> Any:
    """Option that takes a whole number."""
    return typer.Option(parser=whole, metavar="INTEGER", help=help_text, **settings)


def number_option(help_text: str, **settings: Any) -> Any:
    """Option that takes a number."""
    return typer.Option(parser=number, metavar="NUMBER", help=help_text, **settings)


Folder = Annotated[
    Path, typer.Argument(metavar="DIR", parser=folder, help="The folder of a study.", show_default=False)
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIRECTORY",
        help="Folder to search for data, before $DROPSTUDY_DATA.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of a table with the labels.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
TestFile = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="File with the test examples, where --data has those for training.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
TestSize = Annotated[
    Any,
    typer.Option(
        parser=share_or_count,
        metavar="SHARE|COUNT",
        help="Examples set aside for the test, where there is no test set; default: 0.2.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column such as a patient's number: equal values stay on one side of every split.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
Drop = Annotated[
    list[Any] | None,
    typer.Option(
        parser=columns,
        metavar="COLUMN,...",
        help="Columns of a table to leave out.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
ImageSize = Annotated[
    Any,
    typer.Option(
        parser=image_size,
        metavar="PIXELS|H,W",
        help="Height and width that images are resized to.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
ArmName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|RATE",
        help="Arm by its name or rate; default: the one that validation data chose, else the baseline.",
    ),
]
Seed = Annotated[int | None, whole_option("Seed of the run; default: the first.")]
Hidden = Annotated[
    str | None,
    typer.Option(metavar="512,512", help="Hidden layers of the network; default: the first network."),
]
TrainSize = Annotated[int | None, whole_option("Number of training examples; default: the first size.")]
ModelPath = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE.keras",
        help="A Keras model in place of --hidden; its weights are drawn afresh for each seed.",
        show_default=False,
        rich_help_panel=MODEL,
    ),
]
FunctionName = Annotated[
    str | None,
    typer.Option(
        "--function",
        metavar="MODULE:NAME",
        help="A training function fn(rate, seed) or fn(rate, seed, data), as package.module:fn.",
        show_default=False,
        rich_help_panel=MODEL,
    ),
]
DropoutLayers = Annotated[
    list[Any] | None,
    typer.Option(
        parser=columns,
        metavar="LAYER,...",
        help="Layers of --model whose dropout the rate moves; default: all.",
        show_default=False,
        rich_help_panel=MODEL,
    ),
]
AddDropout = Annotated[
    bool,
    typer.Option(
        "--add-dropout", help="Put dropout behind each activation of --model.", rich_help_panel=MODEL
    ),
]
Pretrained = Annotated[
    bool,
    typer.Option("--pretrained", help="Start all seeds from the weights in --model.", rich_help_panel=MODEL),
]


def model_options(
    model: Path | None, dropout_layers: list[Any] | None, *, add_dropout: bool, pretrained: bool
) -> dict[str, Any]:
    """Options of `Study` about a model."""
    given = {"dropout_layers": joined(dropout_layers), "add_dropout": add_dropout, "pretrained": pretrained}
    chosen = {name: value for name, value in given.items() if value}
    if chosen and model is None:
        flag = f"--{next(iter(chosen)).replace('_', '-')}"
        raise InvalidArgument(flag, expected="--model FILE.keras beside it", received=f"{flag} alone")
    return chosen
