"""The command line: parse arguments, call the study or the report, print. Commands hold no other logic."""

from __future__ import annotations

import difflib
import io
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from dropstudy.cli.compare_studies import compare_studies
from dropstudy.cli.diff import diff
from dropstudy.cli.doctor import doctor
from dropstudy.cli.groups import GroupedCommand, PlainCommand
from dropstudy.cli.info import data, presets
from dropstudy.cli.list import list_
from dropstudy.cli.models import export, predict
from dropstudy.cli.output import echo
from dropstudy.cli.rm import rm
from dropstudy.cli.run import run
from dropstudy.cli.show import report, show
from dropstudy.cli.table import table
from dropstudy.cli.teach import teach
from dropstudy.cli.verdict import verdict
from dropstudy.cli.view import view
from dropstudy.cli.wording import left_out
from dropstudy.core import interrupts
from dropstudy.core.streams import escaped_streams, reserve_descriptors, usable_streams
from dropstudy.errors import DropstudyError, InvalidArgument, printable

COMMANDS = (
    run,
    list_,
    show,
    report,
    table,
    view,
    teach,
    verdict,
    compare_studies,
    predict,
    export,
    diff,
    rm,
    presets,
    data,
    doctor,
)
"""In the order of `dropstudy --help`."""

app = typer.Typer(
    name="dropstudy",
    help="Does dropout help my network, at which rate, and how sure can I be?",
    epilog="Start with: dropstudy run. It trains the Keras notebook's two networks and prints what they show.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "color": True,
    },  # our own streams escape colours
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
    _name = _command.__name__.rstrip("_").replace("_", "-")
    _first_sentence = f"{(_command.__doc__ or '').partition('.')[0]}."  # typer would cut it where it is long
    app.command(_name, cls=GroupedCommand if _command is run else PlainCommand, short_help=_first_sentence)(
        _command
    )


_WARNING_FILTER = "ignore:resource_tracker"  # for the processes that this one starts
_UsageError: Any = typer.BadParameter.__mro__[1]  # typer does not export it


def _check_current_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise InvalidArgument(
            "the current folder",
            expected="one that exists",
            received=f"none: {error.strerror}",
            next_step="It was removed, or you may not read it: change to another with cd.",
        ) from error


def _prepare_process() -> None:
    """Set signal handlers, streams and descriptors."""
    # loky removes what a process that exits at once leaves behind; its warning about that is noise.
    warnings = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = f"{warnings},{_WARNING_FILTER}" if warnings else _WARNING_FILTER
    interrupts.interrupt()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold what a terminal cannot show
    reserve_descriptors()


def _usage(error: Any) -> str:
    """Describe a command line that cannot be parsed, in one line."""
    parameter, message = getattr(error, "param", None), error.format_message().rstrip(".")
    if parameter is not None and error.message:  # the parsers' own words, in cli/options.py
        subject = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
        message = f"{subject}: {error.message.rstrip('.')}"
    elif parameter is not None and parameter.param_type_name == "argument":  # no words: it is missing
        message = left_out(parameter)
    if hasattr(error, "possibilities"):  # of an unknown option; two dashes make any two short ones similar
        names = [name.lstrip("-") for name in error.possibilities or ()]
        near = difflib.get_close_matches(error.option_name.lstrip("-"), names, n=1)
        message = f"{error.message}. Did you mean --{near[0]}?" if near else error.message
    command = error.ctx.command_path if error.ctx else app.info.name
    listed = "commands" if "command" in message and command == app.info.name else "options"
    return f"Error: {printable(message)}{'' if message.endswith('?') else '.'} All {listed}: {command} --help"


def main() -> None:
    """Run the command line. An error that the user can correct is one line and an exit code, no traceback."""
    _prepare_process()
    try:
        _main()
    finally:
        _flush_output()


def _flush_output() -> None:
    """Flush standard output; drop what is left where its reader has gone, or Python reports it when it exits."""
    with suppress(AttributeError, ValueError):  # None, closed, or without a descriptor
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _main() -> None:
    try:
        with usable_streams(), escaped_streams():
            _check_current_folder()
            colored = "--install-completion" not in sys.argv  # typer colours its words on that
            sys.exit(app(prog_name="dropstudy", standalone_mode=False, color=colored))
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            echo(_usage(error), err=True)
        sys.exit(error.exit_code)
    except DropstudyError as error:
        echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a disk, a folder, a permission: not a fault of the program
        echo(f"Error: {printable(str(error))}", err=True)
        sys.exit(DropstudyError.exit_code)
