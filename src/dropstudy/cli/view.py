"""Serve pages of studies while they run: `dropstudy view`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropstudy.cli import options
from dropstudy.cli.list import found_studies
from dropstudy.cli.options import DataDir
from dropstudy.cli.serving import NoBrowser, Port, serve

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot


def view(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            parser=options.folder,
            help="The folder of a study, or a folder with studies below it.",
            show_default=False,
        ),
    ],
    port: Port = 0,
    data_dir: DataDir = None,
    no_browser: NoBrowser = False,
) -> None:
    """Open the page of a study, or of a folder of them.

    It opens in the browser and is updated while studies run; Ctrl-C ends it.

    Example: dropstudy view studies/notebook
    """
    from dropstudy.report.overview import read_overview
    from dropstudy.report.server import Addresses, listen, make_app, make_server
    from dropstudy.report.server.index import Index
    from dropstudy.report.server.live import LivePage

    def page_of(study: Path) -> LivePage:
        def read() -> Snapshot:
            from dropstudy.report.snapshot import read_snapshot

            return read_snapshot(study, data_dir=data_dir)

        return LivePage(study, read)

    alone = found_studies(folder) == [folder]
    if alone:
        read_overview(folder)  # report what is wrong with the study before a port is opened
    live = page_of(folder) if alone else Index(folder, page_of)
    with listen(port) as channel:
        addresses = Addresses()
        live.begin()
        words = f"It shows {folder} to users of this machine who have the address."
        serve(make_server(make_app(live, addresses)), channel, addresses, words, no_browser=no_browser)
