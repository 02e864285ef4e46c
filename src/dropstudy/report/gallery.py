"""The figures of a report one by one, for a notebook: `study.charts.rate_curve()` is a chart that shows itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.errors import InvalidArgument
from dropstudy.report.figures import titled
from dropstudy.report.parts import figures_of
from dropstudy.report.sections.answers import answers
from dropstudy.report.sections.curves import curves
from dropstudy.report.sections.gap import gap
from dropstudy.report.sections.inside import inside
from dropstudy.report.sections.rates import rates
from dropstudy.report.sections.seeds import seeds
from dropstudy.report.sections.trust import trust
from dropstudy.report.sections.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.charts import Chart
    from dropstudy.report.parts import Section
    from dropstudy.report.source import Source


class Gallery:
    """The charts of a study as it stood when this was made.

    Each method gives the chart that the report shows under that name. Where a study has several shapes and the chart is
    of one, `shape` counts them from 1, in the order of the plan.

    Raises:
        InvalidArgument: by each method, where the study has no data for its chart, or no such shape.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __repr__(self) -> str:
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"Gallery({self._source.spec.name!r}: {', '.join(names)})"

    def difference(self, shape: int = 1) -> Chart:
        """Paired differences of test accuracy to the baseline, with intervals, zero and the margin."""
        return self._chart(verdict, "difference", shape)

    def rate_curve(self) -> Chart:
        """Test error over the rate, for all shapes."""
        return self._chart(rates, "rate-curve")

    def payoff(self) -> Chart:
        """What each arm gains, over the size of the training set."""
        return self._chart(rates, "payoff")

    def accuracy(self, shape: int = 1) -> Chart:
        """Learning curves of accuracy, arm beside arm."""
        return self._chart(curves, "side_by_side", shape)

    def loss(self, shape: int = 1) -> Chart:
        """Learning curves of loss, arm beside arm."""
        return self._chart(curves, "losses", shape)

    def gap(self, shape: int = 1) -> Chart:
        """The gap between training and test accuracy, taken apart."""
        return self._chart(gap, "gap", shape)

    def seeds(self, shape: int = 1) -> Chart:
        """Each seed's test accuracy with the baseline and with each arm."""
        return self._chart(seeds, "seeds", shape)

    def confusion(self, shape: int = 1) -> Chart:
        """Which class is taken for which, of the baseline and of the arm that the report sets beside it."""
        return self._chart(answers, "confusion", shape)

    def reliability(self, shape: int = 1) -> Chart:
        """Accuracy over confidence."""
        return self._chart(trust, "reliability", shape)

    def active_units(self, shape: int = 1) -> Chart:
        """Share of hidden units that an example activates."""
        return self._chart(inside, "active-units", shape)

    def weight_norms(self, shape: int = 1) -> Chart:
        """Mean length of the weights into a hidden unit."""
        return self._chart(inside, "weight-norms", shape)

    def _chart(self, make: Callable[[Source], Section | None], name: str, shape: int = 1) -> Chart:
        section = make(self._source)
        figures = {figure.name: figure for figure in figures_of([section] if section else [])}
        wanted = figures.get(f"{name}-{shape}") or (figures.get(name) if shape == 1 else None)
        if wanted is None:
            raise InvalidArgument(
                name,
                expected="a study that has what this chart shows",
                received=f"{self._source.folder}, which has not"
                + (f", for shape {shape}" if shape > 1 else ""),
                next_step=f"It can show {', '.join(sorted(figures)) or 'nothing of this kind'}.",
            )
        return titled(wanted, self._source.subtitle)
