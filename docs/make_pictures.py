"""Make the pictures of the README and of these pages: from studies, what a terminal showed, and a report in a browser.

dropstudy run notebook 2>&1 | tee run.log
python docs/make_pictures.py notebook studies/notebook run.log

dropstudy run notebook --rates 0,0.2,0.5,0.8 --seeds 6 --out studies/rates
python docs/make_pictures.py report studies/rates
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
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 152
LINES_OF_EPOCHS = 8
SHOTS = (
    ("report_light", "light", 1000, ("header", "#verdict", "#rates")),
    ("report_dark", "dark", 1000, ("header", "#verdict", "#rates")),
    ("report_answers", "light", 1000, ("#predictions",)),
    ("report_inside", "dark", 1000, ("#inside",)),
    ("report_phone", "light", 390, ("header", "#verdict")),
)
"""Name, light, width in pixels, and the parts of the page that a picture shows."""


def terminal(log: str) -> str:
    """The first line that says how the run began, the last epochs, the table and the conclusion."""
    lines = log.rstrip().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Epoch 1/"))
    end = max(i for i, line in enumerate(lines) if re.match(r"\d+/\d+ - ", line)) + 1
    return "\n".join(
        ["$ dropstudy run notebook", *lines[first - 3 : first + 4], "...", *lines[end - LINES_OF_EPOCHS :]]
    )


def notebook(study: Path, log: Path) -> None:
    """The figure of the notebook's study, and the end of what the terminal showed."""
    shutil.copyfile(study / "figures" / "accuracy.png", PICTURES / "side_by_side.png")
    with tempfile.TemporaryFile("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text(terminal(log.read_text(encoding="utf-8"))))
        svg = console.export_svg(title="dropstudy")
    # A font of the machine in place of one from the network.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    write("terminal", vl_convert.svg_to_png(svg, scale=1.2), colors=32)


def report(study: Path) -> None:
    """Parts of a report as a browser shows them: by day and by night, on a screen and on a phone."""
    address = (study / "report.html").resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, scheme, width, sections in SHOTS:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(address)
            page.evaluate(
                "document.querySelectorAll('.plot').forEach((p) => { if (p.clientWidth) draw(p); })"
            )
            page.wait_for_timeout(3000)
            boxes = [page.locator(section).bounding_box() for section in sections]
            top = min(box["y"] for box in boxes if box)
            bottom = max(box["y"] + box["height"] for box in boxes if box)
            clip = {"x": 0, "y": top, "width": width, "height": bottom - top + 24}
            write(name, page.screenshot(full_page=True, clip=clip), colors=256)
            page.close()
        browser.close()


def write(name: str, png: bytes, *, colors: int) -> None:
    """A picture with few colours, so that its file is small."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(colors, kmeans=4)
    picture.save(PICTURES / f"{name}.png", optimize=True)


def main() -> None:
    """Write `docs/pictures/*.png`."""
    PICTURES.mkdir(exist_ok=True)
    kind, *paths = sys.argv[1:]
    make = {"notebook": notebook, "report": report}[kind]
    make(*map(Path, paths))


if __name__ == "__main__":
    main()
