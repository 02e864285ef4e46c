"""Safe `sys.path`: without the folder that a command is started in.

Python puts that folder, or a script's, before its own library. A file `random.py` there would take the place of the
library's. So processes that this package starts look in neither, as with Python's own option `-P`.
"""

# `pathlib` would itself be looked for in the path that is put right here.
import os
import sys

VARIABLE = "PYTHONSAFEPATH"
"""Environment variable that has Python add neither folder. It does not change a path that a process is handed."""


def safe_path() -> list[str]:
    """`sys.path` without the current folder and without the folder of the script that runs.

    Where this package itself, or a library that it needs to start, lies in one of them, that folder comes last.
    """
    unsafe = {_real(os.curdir)}
    if script := getattr(sys.modules.get("__main__"), "__file__", None):
        unsafe.add(_folder(script))
    path = [entry for entry in sys.path if entry and _real(entry) not in unsafe]
    needed = (_folder(_folder(__file__)), os.__file__, *getattr(sys.modules.get("loky"), "__path__", ()))
    return path + [home for home in dict.fromkeys(map(_folder, needed)) if home in unsafe]


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except OSError:  # the current folder is gone
        return path


def _folder(path: str) -> str:
    return os.path.dirname(_real(path))  # noqa: PTH120 - as above
