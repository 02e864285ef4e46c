r"""Make the pictures of the README and of these pages: of a study on a terminal, and of a report in a browser.

dropstudy run notebook --seeds 6
python docs/make_pictures.py notebook studies/notebook

dropstudy run tune --train-sizes 2000 --hidden 256,256 --rates 0,0.2,0.5,0.8 --until-decided --confirm \
    --out studies/rates
python docs/make_pictures.py report studies/rates
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from pathlib import Path

import vl_convert
from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 112
SHOTS = (
    ("report_light", "light", 1000, ("header", "#verdict", "#rates")),
    ("report_dark", "dark", 1000, ("header", "#verdict", "#rates")),
    ("report_answers", "light", 1000, ("#predictions",)),
    ("report_inside", "dark", 1000, ("#inside",)),
    ("report_phone", "light", 390, ("header", "#verdict")),
)
"""Name, light, width in pixels, and the parts of the page that a picture shows."""


def terminal(study: Path) -> str:
    """What `dropstudy show` prints on a terminal, with its colours."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, WIDTH))
    command = ["dropstudy", "show", str(study)]
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=theirs, env=environment):  # noqa: S603 - our own program
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # how Linux says that the other end was closed
            while part := os.read(ours, 1 << 16):
                printed += part
    shown = printed.decode().replace("\r\n", "\n").rstrip()
    return f"$ {' '.join(command)}\n{shown}"


def notebook(study: Path) -> None:
    """What a terminal shows of the notebook's study."""
    with tempfile.TemporaryFile("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text.from_ansi(terminal(study)))
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
    kind, study = sys.argv[1:]
    {"notebook": notebook, "report": report}[kind](Path(study))


if __name__ == "__main__":
    main()
