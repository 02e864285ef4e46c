"""Test accuracy of networks without dropout, beside those of scikit-learn's MLPClassifier.

Both train the same layers with Adam on the same rows, prepared in the same way, for the same epochs without early
stopping, and are tested on the same rows. Seeds draw other weights and batches on either side, so differences between
the means are compared with their standard error.

    python benchmarks/mlp_classifier.py penguins.csv:species breast-cancer digits.csv:digit
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from common import head, table, versions, write_json
from dropstudy import Study
from dropstudy.data.load import dataset_of
from dropstudy.data.preprocessing import fit, transform
from dropstudy.runtime.inputs import RunInputs
from dropstudy.store.record import resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset


def prepared(dataset: Dataset, rows: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs of training rows and of the test rows, as a run of dropstudy sees them."""
    if dataset.table is None:
        train, test = dataset.x_train[rows], dataset.x_test
        return tuple(x.reshape(len(x), -1) / np.float32(dataset.scale) for x in (train, test))
    fitted = fit(dataset.table, dataset.x_train[rows])
    return tuple(transform(dataset.table, fitted, x) for x in (dataset.x_train[rows], dataset.x_test))


def compare(
    data: str, target: str | None, seeds: int, epochs: int, out: Path
) -> tuple[list[str], list[list[float]]]:
    """Train both sides on one dataset.

    Returns:
        A row of the table, and the test accuracies of both sides in percent, seed by seed.
    """
    fields = {"patience": 0, "restore_best_weights": False, "rates": [0], "seeds": seeds, "epochs": epochs}
    study = Study("table", data=data, target=target, out=out, **fields)
    study.run(verbose=False)
    ours = 100 * study.results().test_scores()["test_accuracy"].to_numpy()
    dataset = dataset_of(study.spec, data_dir=None)
    spec, runs = resolve(study.spec, dataset, "cpu")
    theirs = []
    with RunInputs(spec, dataset) as inputs:
        for run in runs:
            rows, _ = inputs.rows(run)
            x_train, x_test = prepared(dataset, rows)
            network = MLPClassifier(
                run.condition.hidden, alpha=0, batch_size=spec.batch_size, max_iter=epochs,
                learning_rate_init=spec.optimizer.learning_rate, epsilon=spec.optimizer.epsilon, tol=0,
                n_iter_no_change=epochs, random_state=run.seed,
            )  # fmt: skip
            # One thread: such small products wait longer for a second one, and for minutes on a busy machine.
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore", ConvergenceWarning)  # all epochs are used, as is meant
                network.fit(x_train, dataset.y_train[rows])
            theirs.append(100 * network.score(x_test, dataset.y_test))
    sides = [ours, np.array(theirs)]
    means = [f"{side.mean():.2f} (SD {side.std(ddof=1):.2f})" for side in sides]
    difference = sides[0] - sides[1]  # seed by seed: both sides of a seed have the same training rows
    error = difference.std(ddof=1) / np.sqrt(seeds)
    counts = f"{len(rows):,} / {len(dataset.y_test):,}"
    row = [Path(data).name, counts, *means, f"{difference.mean():+.2f} (SE {error:.2f})"]
    return row, [side.tolist() for side in sides]


def main() -> None:
    """Print a table with a row for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", help="a name, or FILE:TARGET")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every accuracy there")
    given = parser.parse_args()
    about = head(seeds=given.seeds, epochs=given.epochs, sklearn=versions("scikit-learn"))
    rows = [["data", "training / test rows", "dropstudy, %", "MLPClassifier, %", "difference, points"]]
    accuracies = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, each in enumerate(given.data):
            data, _, target = each.partition(":")
            out = Path(folder, str(number))
            row, accuracies[each] = compare(data, target or None, given.seeds, given.epochs, out)
            rows.append(row)
    print(table(rows))
    write_json(given.json, about, accuracies=accuracies)


if __name__ == "__main__":
    main()
