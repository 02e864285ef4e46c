"""Fields of a study file: the types, bounds and defaults of their values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

# Read at run time, for validation and for the JSON schema.
from dropstudy.core.bounds import MAX_COUNT, RATE_HINT, Count, Positive, Rate
from dropstudy.core.metrics import METRICS
from dropstudy.core.model import ModelReference
from dropstudy.core.published_result import PublishedResult
from dropstudy.core.types import Activation, Arm, KeepWeights, MetricName, NoiseSource, Optimizer, Precision

MAX_SEED = 2**32 - 1
MAX_SEEDS = 10_000
"""More than any study trains: a larger count is a seed that was meant as one, as in `--seeds 20240101`."""

MAX_MARGIN = max(metric.most for metric in METRICS.values())

Name = Annotated[
    str,
    Meta(
        pattern=r"^(?!\.\.?$)[^/\\]*[^/\\\s][^/\\]*$",
        description="a name that can be a folder's, of one line and without slashes",
    ),
]
Data = Annotated[
    str,
    Meta(
        pattern=r"\S",
        description="a dataset's name such as mnist, or the path of a file or a folder of images",
    ),
]
FilePath = Annotated[str, Meta(pattern=r"\S", description="the path of a file or folder")]
ColumnName = Annotated[str, Meta(min_length=1, description="the name of a column")]
ColumnNames = Annotated[list[str], Meta(description="a list of names of columns")]
TestSize = Annotated[
    Annotated[float, Meta(gt=0, lt=1)] | Count,
    Meta(description="a share of the examples below 1, or a count of them"),
]
ImageSize = Annotated[
    Count | Annotated[list[Count], Meta(min_length=2, max_length=2)],
    Meta(description="the height and width of images in pixels, such as 32 or [32, 48]"),
]
Arms = Annotated[list[Arm], Meta(min_length=1, description="a list of one or more arms")]
Published = Annotated[list[PublishedResult], Meta(description="a list of published results")]
Rates = Annotated[
    list[Rate],
    Meta(
        min_length=1,
        description="a list of shares of units, each from 0 to below 1, such as [0, 0.5]",
        extra=RATE_HINT,
    ),
]
Hidden = Annotated[
    list[Count | Annotated[list[Count], Meta(min_length=1)]],
    Meta(
        min_length=1,
        description="units of each hidden layer such as [512, 512], or several networks such as "
        f"[[512, 512], [1024]], in whole numbers from 1 to {MAX_COUNT}",
    ),
]
Model = Annotated[
    ModelReference,
    Meta(description="the table of a Keras model or training function, as dropstudy writes it"),
]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Seeds = Annotated[
    Annotated[int, Meta(ge=1, le=MAX_SEEDS)] | Annotated[list[Seed], Meta(min_length=1)],
    Meta(description=f"a count from 1 to {MAX_SEEDS}, or a list of seeds from 0 to {MAX_SEED}"),
]
Size = Count | Literal["all"]
TrainSizes = Annotated[
    Size | Annotated[list[Size], Meta(min_length=1)],
    Meta(description=f'counts of training examples from 1 to {MAX_COUNT}, or "all"'),
]
ValidationSplit = Annotated[
    Literal["test"] | Annotated[float, Meta(gt=0, lt=1)] | Count,
    Meta(description='"test", a share of the training examples below 1, or a count of them'),
]
Scale = Annotated[
    Literal["auto"] | Positive,
    Meta(description='"auto", to find it from the training data, or a number above 0, such as 255'),
]
Patience = Annotated[int, Meta(ge=0, le=MAX_COUNT, description="a number of epochs, 0 for never")]
Margin = Annotated[
    float,
    Meta(gt=0, le=MAX_MARGIN, description=f"a difference of the metric above 0 and at most {MAX_MARGIN:g}"),
]


@dataclass(frozen=True, kw_only=True)
class StudyFields:
    """A study that trains the same networks with and without dropout.

    The fields that `StudySpec` has in another form are described here, all others there.

    Args:
        name: name of the study and of its folder; that of the file if left out.
        data: a dataset's name such as `mnist`, or the path of a file (CSV, Parquet, .npz, .npy) or of a folder of
            images; MNIST if left out, or the digits where MNIST is unavailable.
        rates: short form of `arms` that differ in their rate alone, such as [0, 0.5].
        hidden: units of each hidden layer, such as [512, 512], or several networks, such as [[512, 512], [1024]].
        seeds: number of seeds, or a list of them; each trains every arm once. 1 if left out, or 6 where the digits
            stand in for MNIST.
        train_sizes: number of training examples, `"all"` for as many as validation leaves, or a list of such sizes.
        metric: what the choice of an arm and the verdict rest on; `accuracy` if left out.
        margin: differences of the metric within ±margin do not matter. 0.1 percentage points of either accuracy, 0.005
            nats of `log-loss` or 0.001 of `auc` if left out.
        image_size: height and width that images are resized to, such as 32 or [32, 48].
    """

    name: Name
    data: Data | None = None
    arms: Arms | None = None
    rates: Rates | None = None
    hidden: Hidden | None = None
    model: Model | None = None
    activation: Activation = "relu"
    optimizer: Optimizer = field(default_factory=Optimizer)
    batch_size: Count = 128
    epochs: Count
    seeds: Seeds | None = None
    validation_split: ValidationSplit
    precision: Precision = "auto"
    train_sizes: TrainSizes = "all"
    fixed_validation: bool = False
    keep_weights: KeepWeights = "all"
    restore_best_weights: bool | None = None
    patience: Patience = 0
    metric: MetricName | None = None
    margin: Margin | None = None
    scale: Scale = "auto"
    target: ColumnName | None = None
    test: FilePath | None = None
    test_size: TestSize | None = None
    group: ColumnName | None = None
    drop: ColumnNames = field(default_factory=list)
    image_size: ImageSize | None = None
    redraw: NoiseSource | None = None
    published: Published = field(default_factory=list)
