"""Show a study's page while it runs: `dropstudy view`."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from dropstudy.cli.options import DataDir, Folder


def view(
    folder: Folder,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any that is free.")] = 0,
    data_dir: DataDir = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Show a study's page in the browser and keep it up to date while the study runs. Ctrl-C ends it.

    Example: dropstudy view studies/notebook
    """
    from dropstudy.report.server import Doors, listen, server_of
    from dropstudy.report.server.live import LivePage
    from dropstudy.study.study import Study

    study = Study.open(folder)
    live = LivePage(study.folder, lambda: Study.open(study.folder).now(data_dir=data_dir))
    live.page()  # what is wrong with the study is said before anything listens
    with listen(port) as channel:
        here, doors = f"http://127.0.0.1:{channel.getsockname()[1]}", Doors()
        typer.echo(
            f"{here}/{doors.token}/ shows {study.folder}, to whoever has this address on this machine. Ctrl-C ends it."
        )
        if not no_browser:
            webbrowser.open(f"{here}/{doors.ticket}")
        try:
            server_of(live, doors).run(sockets=[channel])
        except KeyboardInterrupt:
            typer.echo("")
