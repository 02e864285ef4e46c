"""Serve a study's page while the study runs: `dropstudy view`."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from dropstudy.cli.options import DataDir, Folder, whole_option


def view(
    folder: Folder,
    port: Annotated[int, whole_option("Port to listen on; 0 for any free port.")] = 0,
    data_dir: DataDir = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Open a study's page in the browser. It is updated while the study runs; Ctrl-C ends it.

    Example: dropstudy view studies/notebook
    """
    from dropstudy.report.server import Addresses, listen, make_server
    from dropstudy.report.server.live import LivePage
    from dropstudy.report.snapshot import read_snapshot
    from dropstudy.study.study import Study

    Study.open(folder)  # refuses a folder that holds no study
    live = LivePage(folder, lambda: read_snapshot(folder, data_dir=data_dir))
    live.page()  # report what is wrong with the study before a port is opened
    with listen(port) as channel:
        here, addresses = f"http://127.0.0.1:{channel.getsockname()[1]}", Addresses()
        typer.echo(
            f"{here}/{addresses.token}/ shows {folder} to users of this machine who have the address. "
            "Ctrl-C ends it."
        )
        if not no_browser:
            webbrowser.open(f"{here}/{addresses.ticket}")
        try:
            make_server(live, addresses).run(sockets=[channel])
        except KeyboardInterrupt:
            typer.echo("")
