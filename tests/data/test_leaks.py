import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import expected
from dropstudy.data.dataset import make_dataset
from dropstudy.data.leaks import leak, repeats
from dropstudy.data.load import load_dataset

RANDOM = np.random.default_rng(0)


def dataset(x_train, y_train, x_test, y_test):
    return make_dataset(
        name="t", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, source="a test", scale=1.0
    )


def labels(count):
    return np.arange(count) % 2


def test_a_planted_leak_is_counted_by_its_labels():
    x_train = RANDOM.integers(0, 256, (200, 8, 8), np.uint8)
    x_test = RANDOM.integers(0, 256, (50, 8, 8), np.uint8)
    y_train, y_test = labels(200), labels(50)
    x_test[:7], y_test[:7] = x_train[10:17], y_train[10:17]
    x_test[20:23], y_test[20:23] = x_train[30:33], 1 - y_train[30:33]
    planted = dataset(x_train, y_train, x_test, y_test)
    assert repeats(planted) == (0, 10, 7)
    assert leak(planted)[0].startswith(expected.Data.LEAK.format("10 of 50 test examples equal", 7, 3))


def test_a_test_example_with_both_labels_in_training_counts_as_one_with_the_same():
    x = np.zeros((4, 5), np.float32)
    x[2:] = 1
    assert repeats(dataset(x, [0, 1, 0, 1], x[:1], [1])) == (2, 1, 1)


def test_equal_numbers_are_equal_examples():
    x = np.array([[0.0, 1.5], [2.5, 3.0]], np.float32)
    assert repeats(dataset(x, [0, 1], [[-0.0, 1.5]], [0])).shared == 1


@given(
    arrays(np.uint8, st.tuples(st.integers(2, 12), st.just(2)), elements=st.integers(0, 2)),
    arrays(np.uint8, st.tuples(st.integers(2, 12), st.just(2)), elements=st.integers(0, 2)),
)
def test_counts_are_those_of_comparing_all_pairs(x_train, x_test):
    found = repeats(dataset(x_train, labels(len(x_train)), x_test, labels(len(x_test))))
    equal = (x_test[:, None] == x_train[None]).all(axis=2)
    alike = labels(len(x_test))[:, None] == labels(len(x_train))[None]
    assert found.shared == equal.any(axis=1).sum()
    assert found.same_label == (equal & alike).any(axis=1).sum()
    assert found.training == len(x_train) - len(np.unique(x_train, axis=0))


def test_the_digits_have_none():
    assert load_dataset("digits").warnings == ()


@pytest.mark.mnist
def test_mnist_has_none(mnist_folder):
    assert repeats(load_dataset("mnist", data_dir=mnist_folder)) == (0, 0, 0)


def test_a_file_with_a_leak_says_so_when_it_is_loaded(tmp_path):
    x = RANDOM.normal(size=(30, 70)).astype(np.float32)
    np.savez(tmp_path / "leak.npz", x_train=x[:20], y_train=labels(20), x_test=x[18:], y_test=labels(30)[18:])
    loaded = load_dataset(tmp_path / "leak.npz")
    assert any("2 of 12 test examples equal" in warning for warning in loaded.warnings)


def test_rows_of_a_table_that_are_equal_may_be_so_by_chance(tmp_path):
    rows = [f"{n % 3},{n % 2},{'ab'[n % 2]}" for n in range(60)]
    (tmp_path / "few.csv").write_text("\n".join(["p,q,label", *rows]) + "\n")
    said = load_dataset(tmp_path / "few.csv", target="label").warnings[0]
    assert said.startswith("12 of 12 test rows")
    assert "this can be chance" in said
