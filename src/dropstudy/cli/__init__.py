"""The command line: parse, call the study or the report, print. No command knows more than that."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropstudy.cli.diff import diff
from dropstudy.cli.info import data, doctor, presets
from dropstudy.cli.models import export, predict
from dropstudy.cli.output import echo
from dropstudy.cli.rm import rm
from dropstudy.cli.run import run
from dropstudy.cli.show import report, show
from dropstudy.cli.view import view
from dropstudy.core.streams import escaped_streams, open_descriptors, usable_streams
from dropstudy.errors import DropstudyError, InvalidArgument, printable

if TYPE_CHECKING:
    from types import FrameType

COMMANDS = (run, show, report, view, predict, export, diff, rm, presets, data, doctor)
"""In the order in which `dropstudy --help` lists them."""

app = typer.Typer(
    name="dropstudy",
    help="Does dropout help my network, at which rate, and how sure can I be?",
    epilog="Start with: dropstudy run. It trains the Keras notebook's two networks and says what they show.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "color": True,
    },  # our own streams escape what colours
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dropstudy {version('dropstudy')}")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None: ...


for _command in COMMANDS:
    app.command()(_command)


_STOPS = (signal.SIGINT, signal.SIGTERM)
_STOPPED = 130  # exit code
_AGAIN = 0.05  # seconds after which it is tried again to interrupt
_CLEARED_AWAY = "ignore:resource_tracker"  # a filter of warnings, for processes that this one starts


def _stop(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C, or its like, ends a command in good order; the second ends it at once."""
    for each in _STOPS:
        signal.signal(each, lambda *_: os._exit(_STOPPED))
    _interrupt(number, frame)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Interrupt the command, once no module is being imported: modules catch whatever comes, and would go on."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.signal(signal.SIGALRM, _interrupt)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _refuse_no_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise InvalidArgument(
            "the current folder",
            expected="one that is there",
            received=f"none: {error.strerror}",
            next_step="It was removed, or may not be read: change to another with cd.",
        ) from error


def main() -> None:
    """Run the command line. An error that the user can mend is one line and an exit code, no traceback."""
    # What a process that ends at once leaves behind, loky clears away; it need not warn of it.
    warnings = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = f"{warnings},{_CLEARED_AWAY}" if warnings else _CLEARED_AWAY
    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and a script's `&` have it
            signal.signal(number, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an arm's name may hold what a terminal cannot
    open_descriptors()
    try:
        with usable_streams(), escaped_streams():
            _refuse_no_folder()
            app()
    except DropstudyError as error:
        echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a disk, a folder, a permission: not a fault of the program
        echo(f"Error: {printable(str(error))}", err=True)
        sys.exit(DropstudyError.exit_code)
