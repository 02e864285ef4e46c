"""Hypothesis strategies of studies, all of which are valid."""

from dataclasses import replace
from typing import get_args

from hypothesis import strategies as st

from dropstudy.core.bounds import MAX_COUNT
from dropstudy.core.metrics import METRICS
from dropstudy.core.published_result import Expected, Measure, PublishedResult
from dropstudy.core.types import (
    Activation,
    Arm,
    KeepWeights,
    Noise,
    NoiseSource,
    Optimizer,
    OptimizerName,
    Precision,
    Schedule,
    StudySpec,
)
from dropstudy.spec.arms import arm_name
from dropstudy.spec.data_names import is_data_file
from dropstudy.spec.fields import MAX_SEED

ONE_LINE = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=30).filter(
    str.strip
)
COUNT = st.integers(1, MAX_COUNT)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False)
SHARE = st.floats(0, 1, exclude_max=True)
ARMS = st.builds(
    Arm,
    name=st.just("one"),
    rate=SHARE,
    input_rate=SHARE,
    noise=st.sampled_from(get_args(Noise)),
    l2=st.just(0.0) | POSITIVE,
    max_norm=st.just(0.0) | POSITIVE,
    schedule=st.sampled_from(get_args(Schedule)),
    switch=st.floats(0, 1, exclude_min=True),
)
OPTIMIZERS = st.builds(
    Optimizer,
    name=st.sampled_from(get_args(OptimizerName)),
    learning_rate=POSITIVE,
    decay=POSITIVE,
    beta_1=SHARE,
    beta_2=SHARE,
    epsilon=POSITIVE,
    momentum=SHARE,
)


def some(values, most=4):
    """A tuple of one or more different values."""
    return st.lists(values, min_size=1, max_size=most, unique=True).map(tuple)


@st.composite
def published_results(draw, arms):
    """A published result of one of some arms, the baseline first."""
    compared = len(arms) > 1 and draw(st.booleans())
    return PublishedResult(
        arm=draw(st.sampled_from(arms[compared:])),
        source=draw(ONE_LINE),
        measure=draw(st.sampled_from(get_args(Measure))),
        value=None if compared else draw(st.floats(0, 100)),
        expected=draw(st.sampled_from(get_args(Expected))) if compared else None,
        within=draw(st.floats(0, 1)),
        train_size=draw(st.none() | COUNT),
        updates=draw(st.none() | COUNT),
    )


@st.composite
def specs(draw):
    """A study, as `parse_spec` returns it."""
    arms = draw(st.lists(ARMS, min_size=1, max_size=4, unique_by=arm_name))
    names = draw(st.lists(ONE_LINE, min_size=len(arms), max_size=len(arms), unique=True))
    split = draw(st.just("test") | COUNT | st.floats(0, 1, exclude_min=True, exclude_max=True))
    held_out = split != "test"
    patience = draw(st.integers(0, 3)) if held_out else 0
    return StudySpec(
        name=draw(ONE_LINE.filter(lambda text: not {"/", "\\"} & set(text) and text not in {".", ".."})),
        data=draw(st.none() | ONE_LINE.filter(lambda name: not is_data_file(name))),
        arms=tuple(replace(arm, name=name) for arm, name in zip(arms, names, strict=True)),
        hidden=draw(some(st.lists(COUNT, min_size=1, max_size=4).map(tuple), 3)),
        activation=draw(st.sampled_from(get_args(Activation))),
        optimizer=draw(OPTIMIZERS),
        batch_size=draw(COUNT),
        epochs=draw(COUNT),
        seeds=draw(some(st.integers(0, MAX_SEED))),
        validation_split=split,
        precision=draw(st.sampled_from(get_args(Precision))),
        train_sizes=draw(some(COUNT | st.just("all"))),
        fixed_validation=(fixed := held_out and draw(st.booleans())),
        keep_weights=draw(
            st.sampled_from(get_args(KeepWeights)).filter(lambda kept: held_out or kept != "best")
        ),
        restore_best_weights=bool(patience) or (held_out and draw(st.booleans())),
        patience=patience,
        metric=(metric := draw(st.none() | st.sampled_from(sorted(METRICS)))),
        margin=draw(st.none() | st.floats(0, METRICS[metric or "accuracy"].most, exclude_min=True)),
        scale=draw(st.just("auto") | POSITIVE),
        redraw=draw(st.none() | st.sampled_from(get_args(NoiseSource)[: 4 if held_out and not fixed else 3])),
        published=tuple(draw(st.lists(published_results(names), max_size=2))),
    )
