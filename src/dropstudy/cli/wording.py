"""Words of an error on the command line: arguments are called as they are typed, commands are whole."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.core.text import first_of
from dropstudy.errors import printable

if TYPE_CHECKING:
    from dropstudy.errors import DropstudyError

PROGRAM = "dropstudy"
_DROP = " --drop "
_MOST_STUDIES = 3  # that a message names, those of the latest changes


def worded(error: DropstudyError, context: Any) -> str:
    """Text of an error in a command, with its flags, and with the whole command that would do.

    Args:
        error: the error.
        context: click's, of the command.
    """
    text = error.on_command_line(_subject(error.subject, context))
    if error.retry:
        return f"{text} The whole command: {retyped(error.retry, context)}"
    if _DROP not in error.next_step:
        return text
    before, _, names = text.rpartition(_DROP)
    return f"{before} {printable(shlex.join([PROGRAM, *sys.argv[1:]]))}{_DROP}{names}"


def left_out(argument: Any) -> str:
    """Words for an argument that is missing: what it is and, for the folder of a study, which studies there are."""
    about = re.split(r"\.(?: |$)", argument.help)[0]
    about = about if about[1:2].isupper() else f"{about[:1].lower()}{about[1:]}"
    text = f"{argument.metavar}: expected {about}, received nothing"
    if not argument.metavar.startswith("DIR"):
        return text
    from dropstudy.store.directory import STUDIES, find_studies

    found = sorted(find_studies(STUDIES), key=lambda path: path.stat().st_mtime, reverse=True)
    if not found:
        return f"{text}. There is none in {STUDIES}/. To train one: {PROGRAM} run"
    return f"{text}. Studies here: {first_of([shlex.quote(str(path)) for path in found], _MOST_STUDIES)}"


def _subject(subject: str, context: Any) -> str:
    """Name of an argument as it is typed; a field of a study file that the user wrote keeps its own."""
    found = re.fullmatch(r"(\w+)(?:\.(\w+))?(.*)", subject, re.DOTALL)
    flags = {parameter.name: parameter for parameter in context.command.params}
    if found is None or found[1] not in flags:
        return subject
    names = [name for name in (found[2], found[1]) if name in flags]
    typed = [name for name in names if context.get_parameter_source(name).name == "COMMANDLINE"]
    if not typed and Path(context.params.get("spec") or "").suffix == ".toml":
        return subject
    name = (typed or names[-1:])[0]
    rest = f" {found[2]}" if found[2] and name == found[1] else ""
    return f"{_spelled(flags[name])}{rest}{found[3]}"


def _spelled(parameter: Any) -> str:
    return str(parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar)


def retyped(changes: dict[str, str | None], context: Any) -> str:
    """The command as it was typed, with some arguments changed, added or left out."""
    words = sys.argv[1:]
    for name, value in changes.items():
        parameter = next(each for each in context.command.params if each.name == name)
        spelled = _spelled(parameter)
        if parameter.param_type_name == "argument":
            words.remove(str(context.params[name]))
        elif spelled in words:
            place = words.index(spelled)
            del words[place : place + 2]
        words = [word for word in words if not word.startswith(f"{spelled}=")]
        words += [] if value is None else [spelled, value]
    return printable(shlex.join([PROGRAM, *words]))
