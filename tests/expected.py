"""Sentences that users read, as the tests expect them. Whoever rewords one changes it where it is written and here.

One class for each room of `src/dropstudy`. A name says what the sentence is about; `{}` stands for what differs.
"""


class Core:
    """Checks of one value, text, tables, files."""


class Spec:
    """Study files, arms, plans."""

    HIDDEN_WRONG = (
        "hidden: expected units of each hidden layer such as [512, 512], or several networks such as "
        "[[512, 512], [1024]], in whole numbers from 1 to 2147483647, received 0."
    )
    RATE_1 = (
        "rates: expected a list of shares of units, each from 0 to below 1, such as [0, 0.5], received 1.0. "
        "A rate is the share dropped, not kept: 0.2 drops 20% and keeps 80%."
    )
    CHOICE_WRONG = "activation: expected 'relu' or 'tanh' or 'sigmoid', received 'swish'."
    PATIENCE_ALONE = (
        "restore_best_weights: expected true, since patience = 2 asks for it, received false. "
        "Use restore_best_weights = true, and hold examples out, such as validation_split = 0.1."
    )


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
