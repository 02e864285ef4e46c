"""Bounded types of settings: the values that each allows, for errors and for the JSON schema of study files."""

import sys
from typing import Annotated

from msgspec import Meta

MAX_COUNT = 2**31 - 1
"""The engine counts steps and sizes arrays with 32-bit integers."""

_FINITE = sys.float_info.max
RATE_HINT = {"next_step": "A rate is the share dropped, not kept: 0.2 drops 20% and keeps 80%."}

Text = Annotated[str, Meta(pattern=r"\S", description="a text of one line, without control characters")]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT, description=f"a whole number from 1 to {MAX_COUNT}")]
Positive = Annotated[float, Meta(gt=0, le=_FINITE, description="a number above 0")]
NonNegative = Annotated[float, Meta(ge=0, le=_FINITE, description="a number of 0 or more")]
Fraction = Annotated[float, Meta(ge=0, lt=1, description="a number from 0 to below 1")]
Rate = Annotated[
    float,
    Meta(ge=0, lt=1, description="a share of units from 0 to below 1, such as 0.5", extra=RATE_HINT),
]
Rates = Annotated[
    Rate | Annotated[tuple[Rate, ...], Meta(min_length=1)],
    Meta(
        description="a share of units from 0 to below 1, such as 0.5, or one for each hidden layer, such as [0.2, 0.5]",
        extra=RATE_HINT,
    ),
]
Progress = Annotated[float, Meta(gt=0, le=1, description="a share of training above 0, at most 1")]

SEEDS = 6
"""Fewest seeds for a verdict: the exact sign-flip test's smallest two-sided p is 2 / 2^n, above 0.05 at 5 pairs."""


def other_seed(seed: int) -> int:
    """The seed that one source of a run is drawn with anew; no run of a study that counts its seeds has it."""
    return seed ^ (1 << 31)
