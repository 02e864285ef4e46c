"""`python -m dropstudy` is the command line."""

from dropstudy.cli import main

main()
