"""Sentences that users read, as the tests expect them. Whoever rewords one changes it where it is written and here.

One class for each room of `src/dropstudy`. A name says what the sentence is about; `{}` stands for what differs.
"""


class Core:
    """Checks of one value, text, tables, files."""


class Spec:
    """Study files, arms, plans."""


class Data:
    """Datasets and the files they come from."""


class Engine:
    """Training."""


class Models:
    """Keras models and exports."""


class Store:
    """A study's folder and database."""


class Runtime:
    """Scheduler, workers, progress."""


class Analysis:
    """Verdicts."""


class Report:
    """Page, figures, tables."""


class Study:
    """The Python API."""


class Cli:
    """The command line."""
