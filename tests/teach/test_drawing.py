"""A drawing becomes an example of the dataset's own form: sized, centred, and unchanged where it has that form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dropstudy import load_dataset
from dropstudy.data.images import visible
from dropstudy.errors import InvalidArgument
from dropstudy.teach.drawing import as_digits, as_mnist, form_of

MNIST, DIGITS = form_of("mnist"), form_of("digits")
DRAWINGS = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.sampled_from([0, 90, 255])
)


def on_paper(drawing, row, column, side=140):
    paper = np.zeros((side, side), np.uint8)
    paper[row : row + drawing.shape[0], column : column + drawing.shape[1]] = drawing
    return paper


def as_drawn(example, scale, form):
    """A test example as the page draws it: each pixel a square of ink."""
    image = visible(example, scale)
    return np.kron(image, np.ones((form.side // len(image),) * 2, np.uint8)).tobytes()


@pytest.mark.mnist
def test_images_of_mnist_come_out_of_the_drawing_as_they_are(mnist_folder):
    """They were sized and centred by MNIST's own rules: whoever follows these changes nothing."""
    mnist = load_dataset("mnist", data_dir=mnist_folder)
    drawn = [MNIST.example(as_drawn(x, mnist.scale, MNIST)) for x in mnist.x_test[:2000]]
    assert np.mean([np.array_equal(a, x) for a, x in zip(drawn, mnist.x_test[:2000], strict=True)]) > 0.99


def test_most_of_the_digits_come_out_of_the_drawing_as_they_are():
    digits = load_dataset("digits")
    drawn = [DIGITS.example(as_drawn(x, digits.scale, DIGITS)) for x in digits.x_test]
    assert np.mean([np.array_equal(a, x) for a, x in zip(drawn, digits.x_test, strict=True)]) > 0.7


@given(DRAWINGS, st.integers(0, 100), st.integers(0, 100))
def test_the_place_of_a_drawing_does_not_matter(drawing, row, column):
    if drawing.any():
        for prepare in (as_mnist, as_digits):
            here, there = prepare(on_paper(drawing, 0, 0)), prepare(on_paper(drawing, row, column))
            assert np.array_equal(here, there)


def test_the_size_of_a_drawing_does_not_matter():
    digits = load_dataset("digits")
    for number in range(20):
        small, large = (
            on_paper(
                np.kron(visible(digits.x_test[number], 16), np.ones((times, times), np.uint8)), 0, 0, 128
            )
            for times in (8, 16)
        )
        # An average over parts of pixels is approximate.
        assert np.abs(as_digits(small).astype(int) - as_digits(large)).max() <= 1


@given(DRAWINGS)
def test_a_digit_is_20_pixels_long_and_its_mass_in_the_middle(drawing):
    if not drawing.any():
        return
    # As wide as lines of a pen: a single faint pixel may be lost between two of the example.
    drawing = np.kron(drawing, np.ones((3, 3), np.uint8))
    example = as_mnist(on_paper(drawing, 3, 5)).astype(float)
    rows, columns = (np.flatnonzero(example.any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) == 19
    for axis in (0, 1):
        mass = example.sum(axis=1 - axis)
        centre = mass @ np.arange(28) / mass.sum()
        filled = np.flatnonzero(mass)
        at_the_edge = filled[0] == 0 or filled[-1] == 27
        assert abs(centre - 14) <= 0.5 + 1e-9 or at_the_edge


def test_an_empty_drawing_is_no_example_and_one_of_another_size_is_refused():
    assert MNIST.example(bytes(140**2)) is None
    with pytest.raises(InvalidArgument, match=r"drawing: expected 19600 bytes.*received 3"):
        MNIST.example(b"abc")


def test_data_other_than_digits_are_refused():
    with pytest.raises(InvalidArgument, match="data: expected mnist or digits, received 'wine'"):
        form_of("wine")
