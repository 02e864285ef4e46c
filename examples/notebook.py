"""The notebook that dropstudy began with, told with dropstudy.

An MLP on MNIST, without dropout and with Dropout(0.8): load, look at the shapes, train, plot, evaluate.
The headings are the notebook's. What it could not see is at the end: how large the gap between training and
test accuracy is when both are measured in the same way.

    python examples/notebook.py              # under a minute on two cores
    python examples/notebook.py --epochs 2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dropstudy import Study, load_dataset


def main() -> None:
    """Both halves of the notebook: without dropout and with it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("studies/example"), help="the study's folder")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training data")
    options = parser.parse_args()

    # Loading, flattening and scaling the data, here for evaluate() below. Labels stay as they are: softmax
    # cross-entropy on integers is the same number as on one-hot rows. run() prints the shapes of both.
    data = load_dataset("mnist")
    x_test = data.x_test.reshape(len(data.x_test), data.features).astype("float32") / data.scale

    # Constructing the models, fitting them to the data: both arms at the same time, a core each.
    study = Study("notebook", out=options.out, data="mnist", epochs=options.epochs)
    study.run()

    # Plotting the results: the notebook's figures, and one that puts the arms side by side.
    for path in study.report():
        print(path)

    for arm in ("no dropout", "dropout 0.8"):
        history = study.history(arm)
        print(f"\n{arm}, last epoch, as Keras prints it:")
        for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
            print(f"  {name:13} {history.history[name][-1]:.4f}")

        # A keras.Model like any other: evaluate, predict, save, train on.
        model = study.model(arm)
        loss, accuracy = model.evaluate(x_test, data.y_test, verbose=0)
        print(f"  evaluate()    loss {loss:.4f}, accuracy {accuracy:.4f}")

    # Explanation of dropout, with the numbers that it needs.
    print()
    print(study.results().history_frame().groupby("arm", sort=False).tail(1).to_string(index=False))
    print()
    print(study.summary().T.to_string(header=False))
    for sentence in study.verdict().sentences:
        print(sentence)


if __name__ == "__main__":
    main()
