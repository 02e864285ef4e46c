"""Stratified splits are those of scikit-learn."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from dropstudy.core.stratified import stratified_split


@given(
    st.lists(st.integers(0, 12) | st.integers(40, 60), min_size=2, max_size=9),
    st.integers(0, 99),
    st.integers(0, 2**32 - 1),
)
def test_rows_are_those_of_scikit_learn(counts, share, seed):
    counts = [0 if count == 1 else count for count in counts]  # refused before: one cannot be on both sides
    counts[0] += 4
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    present = np.count_nonzero(counts)
    held_out = min(max(present, len(labels) * share // 100), len(labels) - present)
    train, held = train_test_split(
        np.arange(len(labels)), test_size=held_out, stratify=labels, random_state=seed
    )
    ours = stratified_split(labels, held_out, seed)
    assert [side.tolist() for side in ours] == [sorted(train.tolist()), sorted(held.tolist())]
