"""Safe `sys.path`: without the current folder and the folder of the script.

Python searches them before its own library, so that a file `random.py` there would replace the library's. Processes
that this package starts search neither, as with Python's option `-P`.
"""

# `pathlib` itself would be searched for in the unsafe path.
import os
import sys

VARIABLE = "PYTHONSAFEPATH"
"""Environment variable that keeps Python from adding either folder. It does not change an inherited path."""


def safe_path() -> list[str]:
    """`sys.path` without the current folder and the folder of the running script.

    Where this package, or a library that it needs to start, lies in one of them, that folder comes last.
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
