"""Every colour of charts and page, in light and dark. No other file holds a colour.

Series are from the palette of Okabe and Ito (2008, "Color Universal Design"). They also differ in lightness, so that a
grey print keeps them apart. Arms run along a ramp of equal steps in OKLCH (Ottosson 2020) from blue to orange, lighter
as they go. The baseline is grey.

Charts hold light colours. `DARK` maps each to its counterpart on a dark page, of at least the same contrast, so that a
page swaps colours without drawing again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm

INK = "#222222"
FAINT_INK = "#5a5a5a"
AXIS = "#8c8c8c"
GRID = "#e3e3e3"
PAPER = "#ffffff"
BASELINE = "#6b6f76"
BLUE, PURPLE, VERMILLION = "#0072b2", "#cc79a7", "#d55e00"
MARGIN = "#eef1f4"
"""Background of differences within the margin."""
BETTER, WORSE = "#0072b3", "#c2410c"
RAMP = (
    "#0059a7",
    "#3b55b0",
    "#6051b2",
    "#7d4eab",
    "#964d9e",
    "#ab4d8c",
    "#bb5077",
    "#c7575f",
    "#cc6345",
    "#cb7229",
)

DARK = {
    INK: "#e8e6e3",
    FAINT_INK: "#a9adb3",
    AXIS: "#6f747b",
    GRID: "#2c3238",
    PAPER: "#15191d",
    BASELINE: "#a2a8b0",
    BLUE: "#56b4e9",
    PURPLE: "#e39bc4",
    VERMILLION: "#f08a45",
    MARGIN: "#20262c",
    BETTER: "#5ab6ea",
    WORSE: "#f2935c",
    **dict(
        zip(
            RAMP,
            (
                "#549de5",
                "#7a98ed",
                "#9b93ed",
                "#b88fe6",
                "#d08cd8",
                "#e48bc4",
                "#f48cae",
                "#fd9195",
                "#ff9a7d",
                "#fea668",
            ),
            strict=True,
        )
    ),
}


def arm_colors(arms: Sequence[Arm]) -> list[str]:
    """Colour of each arm: grey for the baseline, the first; the others spread evenly along the ramp."""
    others = len(arms) - 1
    steps = [round(i * (len(RAMP) - 1) / max(1, others - 1)) for i in range(others)]
    return [BASELINE, *(RAMP[step] for step in steps)]
