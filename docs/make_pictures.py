"""Make the pictures of the README from a finished study: its figure, and the end of what the terminal showed.

dropstudy run notebook 2>&1 | tee run.log
python docs/make_pictures.py studies/notebook run.log
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

import vl_convert
from PIL import Image
from rich.console import Console
from rich.text import Text

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 120
LINES_OF_EPOCHS = 8


def terminal(log: str) -> str:
    """The first line that says how the run began, the last epochs, the table and the conclusion."""
    lines = log.rstrip().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Epoch 1/"))
    end = max(i for i, line in enumerate(lines) if re.match(r"\d+/\d+ - ", line)) + 1
    return "\n".join(
        ["$ dropstudy run notebook", *lines[first - 3 : first + 4], "...", *lines[end - LINES_OF_EPOCHS :]]
    )


def main() -> None:
    """Write `docs/pictures/*.png`."""
    study, log = Path(sys.argv[1]), Path(sys.argv[2])
    PICTURES.mkdir(exist_ok=True)
    shutil.copyfile(study / "figures" / "side_by_side.png", PICTURES / "side_by_side.png")
    with tempfile.TemporaryFile("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text(terminal(log.read_text(encoding="utf-8"))))
        svg = console.export_svg(title="dropstudy")
    # A font of the machine in place of one from the network.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    # Few colours, so a palette keeps the file small.
    picture = Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=1.2))).convert("RGB").quantize(32)
    picture.save(PICTURES / "terminal.png", optimize=True)


if __name__ == "__main__":
    main()
