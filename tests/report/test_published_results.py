"""An answer about published results says where training was shorter or longer than that of the preset."""

from dataclasses import replace

import pytest

from dropstudy.report.published_results import other_length
from dropstudy.spec import presets
from dropstudy.spec.study_file import read_spec


@pytest.mark.parametrize(
    "name", sorted({*presets.published()} - {"srivastava-figure11"})
)  # it has no numbers
def test_a_preset_of_another_length_says_so(name):
    whole = read_spec(name)
    assert not other_length(whole)
    for epochs in (whole.epochs + 1, 10 * whole.epochs):
        said = other_length(read_spec(name, {"epochs": epochs}))
        assert said == f"Trained for {epochs:,} epochs, not {whole.epochs:,} as the preset {name} does."


def test_a_part_of_a_preset_is_compared_with_the_whole_and_results_of_others_with_none():
    short = read_spec("srivastava-figure10", {"epochs": 1, "train_sizes": [100, 500]})
    part = replace(short, published=short.published[:2])
    assert other_length(part).startswith("Trained for 1 epoch, not 200 ")
    assert not other_length(replace(short, published=(replace(short.published[0], source="A. Author 2014"),)))
