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
        "restore_best_weights: expected yes, since `patience=2` asks for it, received no. "
        "Use `restore_best_weights`, and hold examples out, such as `validation_split=0.1`."
    )


class Data:
    """Datasets and the files they come from."""

    FALLBACK = "MNIST was not found"
    LEAK = "{} a training example: {} with the same label, {} with another."


class Engine:
    """Training."""

    NO_COMPILER = "no C++ compiler (c++, g++ or clang++) to compile it"
    COMPILER_FAILED = "{compiler} could not compile it: "
    CHECK_FAILED = "what {compiler} compiled does not work: "
    NOT_LOADED = "the compiled one cannot be loaded ("
    NOT_STORED = "it could not be stored: "
    COMPILING = "Compiling the training program for this processor: some 10 s, "
    CARRIED = "carried by the wheel, for {}"


class Models:
    """Keras models and exports."""


class Store:
    """A study's folder and database."""

    CHANGED = "{} is {!r} in the study, {!r} was requested"
    IDENTICAL = "{} of {} runs are identical in both studies, to the bit."
    NO_WEIGHTS = "does not store them"
    DELETED = "moved or deleted"
    FREE_SPACE = "Free some space"


class Runtime:
    """Scheduler, workers, progress."""

    WORKER_DIED = "A worker died while it trained {}"
    OUT_OF_MEMORY = "A worker ran out of memory while it trained {}"
    TRYING_AGAIN = "trying again."
    WITHOUT_COMPILED = "DROPSTUDY_KERNELS=off trains with XLA's programs instead."
    XLA_TRAINS = "XLA's programs train, which takes longer: {}."
    DIED_EACH_TIME = "its worker died {} times"
    NO_MEMORY_EACH_TIME = "its worker ran out of memory {} times"
    NO_SEMAPHORES = "expected free space and write permission for the semaphores"
    NOT_FINITE = "the loss was no longer finite in epoch {}"

    SILENT = "No result of {} for {} s."
    KILLED_AFTER = "A worker that is silent for {} s is killed and its segment repeated."


class Analysis:
    """Verdicts."""

    DROPOUT = "Dropout at rate 0.5 (drops 50%, keeps 50%)"
    HELPS = DROPOUT + " helps on these test examples after 10 epochs: test accuracy {}."
    HURTS = DROPOUT + " hurts on these test examples after 10 epochs: test accuracy {}."
    EQUIVALENT = (
        DROPOUT
        + " makes no difference beyond ±{} points on these test examples after 10 epochs: test accuracy {}"
    )
    NEEDS = "Detecting {} needs about {} seeds ({}; 80% power); these {} points."
    DETECTS = "; these {} seeds can detect {} points with 80% power."
    TOO_FEW = "No verdict yet: {} of 6 seeds."
    SEEDS_APART = (
        "{} lie far from the others. They pull the mean of {} from {} to {}. A trimmed mean would call it better; "
        "look at those runs."
    )
    NOTHING = "Nothing to compare: no run has finished."
    ONE_ARM = "Nothing to compare: 'no dropout' is the only arm, test accuracy {}."
    DIVERGED = "No verdict: '{}' diverged in {} seeds. The other {} pairs cannot decide alone."
    CHOSEN = "Validation data chose '{}' among {} arms: {} points of validation accuracy ahead of '{}'"
    WATCHED = "The test set was evaluated after every epoch, so no rate and no epoch may be chosen on it"
    ONE_EXAMPLE = (
        "1 test example shows nothing about others. "
        "A decision probably needs {} instead of 1, not more seeds."
    )
    ONE_CLASS = "One class is predicted for every test example by {}. Such a network has learned nothing"
    TOO_COARSE = (
        "{} test examples cannot show that a difference is within ±{} points: one is worth {} points. "
        "A decision probably needs about {} test examples instead of {}, not more seeds."
    )
    GAP = (
        "Measured as Keras does, training accuracy of '{}', where that misleads most, is {} test accuracy. "
        "Measured with dropout off it is {}: "
        "Keras' way of measuring changes it by {}."
    )
    UNKNOWN = "Not known yet: {} of 6 seeds."
    ONE_SEED = "Not known yet: one seed cannot decide."
    ALONE = "'dropout 0.5' is the only arm, so there is nothing to compare"
    NO_RATE_MAY_BE_CHOSEN = "No rate may be chosen here: the test set was watched during training."
    GROWN = "Seeds were added after a first verdict ({}). Its intervals hold at every look"
    UNTIL_DECIDED = "Seeds are added until the verdict is decided, {} at most."
    NOT_CHOSEN_NOW = "Not confirmed: the fresh seeds are of '{}', which is no longer the chosen arm."
    METRIC_CHANGED = "The metric was changed after runs had finished, from {} to {}."
    MARGIN_CHANGED = "The margin was changed after runs had finished, from {} to {} points."


class Report:
    """Page, figures, tables."""

    NO_EPOCH = "no epoch to draw"
    DIVERGED = "'{}', seed {} diverged"
    ALL_ENDED = "All {} runs have ended."
    FINISHED = "{} of {} runs finished"
    FIRST_CONDITIONS = "This section shows the first {} of {} networks and training sizes."
    CLEAR_EFFECT = "its effect exceeds the effect of another seed"

    PAIRED = "Each comparison has n = {} paired seeds."
    T_INTERVAL = "95% intervals from Student's t"
    TOGETHER = "95% intervals that hold for {} arms together"
    ALWAYS_VALID = "always-valid 95% intervals"
    ALL_FLIPS = "the exact sign-flip test with all {} flips (Fisher 1935)"
    SAMPLED_FLIPS = "the sign-flip test with 131,072 random flips"
    STEP_DOWN = "step-down max-t for {} arms"
    TOST = "two one-sided t tests"
    UNTIL = "Seeds were added until the verdict was decided, up to {}."
    ADDED = "Seeds were added after a first verdict. The verdict was computed at {} seeds."
    FRESH = "'{}' and the baseline were trained on {} fresh seeds"
    NO_TEST = "No test was made: a decision takes 6 paired seeds."
    ALL_EQUAL = "No test was made, since all seeds gave the same difference."
    WATCHED = "The test set was also evaluated after every epoch"
    CHOSEN = "The arm with the highest mean validation accuracy was chosen."


class Study:
    """The Python API."""


class Cli:
    """The command line."""

    FINISHED = "This study is finished; nothing to train."
    MORE = "The study has more than this command asks for, and keeps it: {}."
    NOTHING_RECORDED = "Nothing was recorded. The same command starts again."
    SAVED = "Interrupted. Progress is saved."
    CONTINUE = "Continue with: "
    NOTHING_SAVED = "Interrupted. Nothing was saved yet. Begin again with: "
    REPORT = "The report: "
    EXPORT = "Export a trained network: "
    NOTHING_TO_CONFIRM = "Nothing to confirm: validation data chose the baseline."
    WRITES = "Writing the report."
    FOR_A_VERDICT = "For a verdict"
    TO_FINISH = "To finish the study"
