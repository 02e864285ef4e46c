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

    NO_COMPILER = "no C++ compiler (c++, g++ or clang++) to compile them"
    COMPILER_FAILED = "{compiler} could not compile them: "


class Models:
    """Keras models and exports."""


class Store:
    """A study's folder and database."""


class Runtime:
    """Scheduler, workers, progress."""

    SILENT = "No result of {} for {} s."
    KILLED_AFTER = "A worker that is silent for {} s is killed and its segment repeated."


class Analysis:
    """Verdicts."""


class Report:
    """Page, figures, tables."""


class Study:
    """The Python API."""


class Cli:
    """The command line."""

    FINISHED = "This study is finished; nothing to train."
    MORE = "The study has more than this command asks for, and keeps it: {}."
    NOTHING_RECORDED = "Nothing was recorded. The same command starts again."
    SAVED = "Interrupted. Progress is saved."
    CONTINUE = "Continue with: "
    REPORT = "The report: "
    EXPORT = "Export a trained network: "
