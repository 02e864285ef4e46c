r"""Make the pictures of the README and of these pages: of a study on a terminal, of pages in a browser.

export PYTHONPATH=tests
dropstudy run notebook --seeds 6  # where MNIST is not found
python docs/make_pictures.py notebook studies/notebook

dropstudy run tune --train-sizes 2000 --hidden 256,256 --rates 0,0.2,0.5,0.8 --until-decided --confirm \
    --out studies/rates
python docs/make_pictures.py report studies/rates

python docs/make_pictures.py teach  # with MNIST
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import vl_convert
from PIL import Image, PngImagePlugin
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from dropstudy import load_dataset
from dropstudy.report.server import Addresses, listen
from dropstudy.teach.lesson import prepare
from dropstudy.teach.server import teach_server
from pictures import WIDTH, digests, terminal

PICTURES = Path(__file__).parent / "pictures"
SHOTS = (
    ("report_light", "light", 1000, ("header", "verdict", "rates")),
    ("report_dark", "dark", 1000, ("header", "verdict", "rates")),
    ("report_answers", "light", 1000, ("predictions",)),
    ("report_inside", "dark", 1000, ("inside",)),
    ("report_phone", "light", 390, ("header", "verdict")),
)
"""Name, light, width in pixels, and the parts of the page that a picture shows."""

SEVEN = ((0.25, 0.25), (0.7, 0.2), (0.45, 0.85))
"""A digit for the page of `teach`: shares of width and height."""

SHOWS = "Shows"
"""Name in the text of a picture: digest of what it shows, from which a test tells its age."""


def notebook(study: Path) -> None:
    """What a terminal shows of the notebook's study."""
    with tempfile.TemporaryFile("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text.from_ansi(terminal(study)))
        svg = console.export_svg(title="dropstudy")
    # A font of the machine in place of one from the network.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    write({"terminal": vl_convert.svg_to_png(svg, scale=1.2)}, colors=32)


def report(study: Path) -> None:
    """Parts of a report as a browser shows them: by day and by night, on a screen and on a phone."""
    pictures = {}
    address = (study / "report.html").resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, scheme, width, parts in SHOTS:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(address)
            page.evaluate(
                "document.querySelectorAll('.plot').forEach((p) => { if (p.clientWidth) draw(p); })"
            )
            page.wait_for_timeout(3000)
            boxes = [page.locator(_selector(part)).bounding_box() for part in parts]
            top = min(box["y"] for box in boxes if box)
            bottom = max(box["y"] + box["height"] for box in boxes if box)
            clip = {"x": 0, "y": top, "width": width, "height": bottom - top + 24}
            pictures[name] = page.screenshot(full_page=True, clip=clip)
            page.close()
        browser.close()
    write(pictures, colors=256)


def teach() -> None:
    """The page for classes, with a digit drawn and a pair of networks trained."""
    channel, addresses = listen(0), Addresses()
    server = teach_server(prepare(load_dataset("mnist")), addresses)
    threading.Thread(target=server.run, kwargs={"sockets": [channel]}).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 2600}, reduced_motion="reduce")
        page.goto(f"http://127.0.0.1:{channel.getsockname()[1]}/{addresses.token}/")
        box = page.locator("#pad").bounding_box() or {}
        for number, (x, y) in enumerate(SEVEN):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=9)
            if not number:
                page.mouse.down()
        page.mouse.up()
        page.locator("#rate").fill("0.8")
        page.locator("#start").click()
        page.locator("#result").wait_for()
        parts = {"teach_drop": ("#draw", "#drop"), "teach_train": ("#start", "#words")}
        pictures = {}
        for name, ends in parts.items():
            boxes = [page.locator(end).bounding_box() or {} for end in ends]
            top, bottom = boxes[0]["y"] - 12, boxes[1]["y"] + boxes[1]["height"] + 24
            clip = {"x": 0, "y": top, "width": 1000, "height": bottom - top}
            pictures[name] = page.screenshot(full_page=True, clip=clip)
        browser.close()
    server.should_exit = True
    write(pictures, colors=64)


def _selector(part: str) -> str:
    return part if part == "header" else f"#{part}"


def today() -> dict[str, str]:
    """The digest of each picture as the program is now."""
    with tempfile.TemporaryDirectory() as folder:
        return digests(folder, {name: parts for name, _, _, parts in SHOTS})


def write(pictures: dict[str, bytes], *, colors: int) -> None:
    """Pictures of few colours, so that their files are small, with the digests of what they show."""
    shown = today()
    for name, png in pictures.items():
        picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(colors, kmeans=4)
        text = PngImagePlugin.PngInfo()
        text.add_text(SHOWS, shown[name])
        picture.save(PICTURES / f"{name}.png", optimize=True, pnginfo=text)


def main() -> None:
    """Write `docs/pictures/*.png`."""
    PICTURES.mkdir(exist_ok=True)
    kind, *study = sys.argv[1:]
    {"notebook": notebook, "report": report, "teach": teach}[kind](*map(Path, study))


if __name__ == "__main__":
    main()
