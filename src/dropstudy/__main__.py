"""The program `dropstudy`, which is `python -m dropstudy` too."""

import sys

from dropstudy.core.safe_path import safe_path

if __name__ == "__main__":
    sys.path[:] = safe_path()  # before anything else is imported

from dropstudy.core.interrupts import STOPPED, end_at_once


def main() -> None:
    """Run the command line. A signal shows no traceback, whenever it comes."""
    end_at_once()
    from dropstudy.cli import main as command_line  # noqa: PLC0415 - it takes seconds on a slow disk

    try:
        command_line()
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    finally:
        end_at_once()


if __name__ == "__main__":
    main()
