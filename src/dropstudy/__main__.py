"""`python -m dropstudy` is the command line."""

import sys

from dropstudy.core.safe_path import safe_path

sys.path[:] = safe_path()  # before anything else is imported

from dropstudy.cli import main  # noqa: E402 - see above

main()
