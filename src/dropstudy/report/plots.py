"""Figures of a report one by one: `study.plot.rate_curve()` shows itself in a notebook and can be saved."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altair import VEGALITE_VERSION
from altair.utils.mimebundle import spec_to_mimebundle
from PIL import Image

from dropstudy.core.atomic import write_files
from dropstudy.errors import InvalidArgument
from dropstudy.report.charts.render import PIXELS_PER_POINT, draw, save
from dropstudy.report.figures import figure_files, titled
from dropstudy.report.sections import sections
from dropstudy.report.sections.blocks import figures_of
from dropstudy.report.sections.calibration import calibration
from dropstudy.report.sections.curves import curves
from dropstudy.report.sections.gap import gap
from dropstudy.report.sections.inside_the_network import inside_the_network
from dropstudy.report.sections.paired_seeds import paired_seeds
from dropstudy.report.sections.predictions import predictions
from dropstudy.report.sections.rates import rates
from dropstudy.report.sections.verdict import each_condition, verdict
from dropstudy.report.vega import finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.report.charts import Chart
    from dropstudy.report.sections.blocks import Section
    from dropstudy.report.snapshot import Snapshot


class Picture:
    """A chart that shows itself in a notebook without a network: interactive where the notebook can, else as a picture.

    Attributes:
        name: of the figure in the report.
        chart: the Altair chart, to be changed.
    """

    def __init__(self, name: str, chart: Chart) -> None:
        self.name, self.chart = name, chart

    def __repr__(self) -> str:
        return f"Picture({self.name!r}), shown in a notebook; its Altair chart is `.chart`"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, dict[str, int]]]:
        """Vega-Lite for Jupyter, and a PNG, shown at half its size in pixels, for dense screens and print."""
        spec = self.chart.to_dict(validate=False)
        (drawn,) = draw([spec], ["png"])
        with Image.open(BytesIO(drawn["png"])) as image:
            width, height = (side // PIXELS_PER_POINT for side in image.size)
            png = BytesIO()
            # A palette: notebooks are stored with their outputs, and a chart has few colours on an opaque ground.
            image.convert("RGB").quantize(256).save(png, "PNG", optimize=True)
        data = {
            **spec_to_mimebundle(
                finite(spec), format="vega-lite", mode="vega-lite", vegalite_version=VEGALITE_VERSION
            ),
            "image/png": base64.b64encode(png.getvalue()).decode(),
            "text/plain": repr(self),
        }
        return data, {"image/png": {"width": width, "height": height}}

    def save(self, path: str | Path) -> Path:
        """Write the chart as PNG, SVG or PDF, as the suffix of the path says.

        Raises:
            InvalidArgument: another suffix.
            StoreError: the disk is full, or the folder cannot be written.
        """
        save(self.chart.to_dict(validate=False), Path(path))
        return Path(path)


class Plots:
    """Charts of a study at one moment.

    Each method returns the chart that the report shows under that name. Where a study has several conditions and the
    chart is of one, `condition` counts them from 1, in the order of the plan.

    Raises:
        InvalidArgument: by each method, where the study has no data for its chart, or no such condition.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __repr__(self) -> str:
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"Plots({self._snapshot.spec.name!r}: {', '.join(names)})"

    def save(self, folder: str | Path) -> list[Path]:
        """Write all figures of the report as PNG, SVG and PDF, their numbers as CSV, their captions as TXT.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        figures = figures_of(sections(self._snapshot))
        files = figure_files(figures, self._snapshot.subtitle, Path(folder))
        write_files(files)
        return list(files)

    def difference(self, condition: int = 1) -> Picture:
        """Paired differences of test accuracy to the baseline, with intervals, zero and the margin."""
        several = len(self._snapshot.conditions) > 1
        return self._chart(each_condition if several else verdict, "difference", condition)

    def differences(self) -> Picture:
        """The same for each of several conditions: the chosen arm, or all."""
        return self._chart(verdict, "differences")

    def rate_curve(self) -> Picture:
        """Test error over the rate, for all conditions."""
        return self._chart(rates, "rate-curve")

    def top_rate(self, condition: int = 1) -> Picture:
        """Curve over the rates on validation data, with the interval of its top."""
        return self._chart(rates, "top-rate", condition)

    def payoff(self) -> Picture:
        """Gain of each arm, against the size of the training set."""
        return self._chart(rates, "payoff")

    def all_arms(self, condition: int = 1) -> Picture:
        """Test accuracy of all arms over the epochs, on one axis; validation accuracy where data were held out."""
        return self._chart(curves, "all-arms", condition)

    def over_epochs(self, condition: int = 1) -> Picture:
        """Paired differences to the baseline over the epochs, with intervals: the answer of shorter studies."""
        return self._chart(curves, "over-epochs", condition)

    def accuracy(self, condition: int = 1) -> Picture:
        """Learning curves of accuracy, arm beside arm."""
        return self._chart(curves, "accuracy", condition)

    def loss(self, condition: int = 1) -> Picture:
        """Learning curves of loss, arm beside arm."""
        return self._chart(curves, "loss", condition)

    def notebook_test(self, condition: int = 1) -> Picture:
        """Loss and accuracy on the test set, as the notebook drew them; or on validation data, where there are some."""
        seen = "test" if self._snapshot.spec.watches_test else "validation"
        return self._chart(curves, f"notebook-{seen}", condition)

    def notebook_training(self, condition: int = 1) -> Picture:
        """Loss and accuracy of training as Keras measures them, as the notebook drew them."""
        return self._chart(curves, "notebook-training", condition)

    def gap(self, condition: int = 1) -> Picture:
        """The gap between training and test accuracy, in two steps."""
        return self._chart(gap, "gap", condition)

    def seeds(self, condition: int = 1) -> Picture:
        """Each seed's test accuracy with the baseline and with each arm."""
        return self._chart(paired_seeds, "seeds", condition)

    def confusion(self, condition: int = 1) -> Picture:
        """Confusion matrices of the baseline and of the featured arm."""
        return self._chart(predictions, "confusion", condition)

    def reliability(self, condition: int = 1) -> Picture:
        """Accuracy over confidence."""
        return self._chart(calibration, "reliability", condition)

    def entropy(self) -> Picture:
        """Uncertainty of networks sampled by dropout, for results with `mc`."""
        return self._chart(calibration, "entropy")

    def active_units(self, condition: int = 1) -> Picture:
        """Share of hidden units that an example activates."""
        return self._chart(inside_the_network, "active-units", condition)

    def weight_norms(self, condition: int = 1) -> Picture:
        """Mean length of the weights into a hidden unit."""
        return self._chart(inside_the_network, "weight-norms", condition)

    def _chart(self, make: Callable[[Snapshot], Section | None], name: str, condition: int = 1) -> Picture:
        section = make(self._snapshot)
        figures = {figure.name: figure for figure in figures_of([section] if section else [])}
        wanted = figures.get(f"{name}-{condition}") or (figures.get(name) if condition == 1 else None)
        if wanted is None:
            raise InvalidArgument(
                name,
                expected="a study with data for this chart",
                received=f"{self._snapshot.folder}, which has none"
                + (f", for condition {condition}" if condition > 1 else ""),
                next_step=f"Charts of this kind: {', '.join(sorted(figures)) or 'none'}.",
            )
        return Picture(wanted.name, titled(wanted, self._snapshot.subtitle))
