"""Serve a page for a class: `dropstudy teach`."""

from __future__ import annotations

from typing import Annotated

import typer

from dropstudy.cli.completion import choice
from dropstudy.cli.options import DataDir
from dropstudy.cli.output import echo
from dropstudy.cli.serving import NoBrowser, Port, serve


def teach(
    data: Annotated[
        str | None,
        typer.Option(
            **choice("mnist|digits"),
            help="Handwritten digits to train on; default: mnist, or digits where it is not found.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    port: Port = 0,
    no_browser: NoBrowser = False,
) -> None:
    """Show a class what dropout does: draw, drop units, train.

    It opens a page in the browser. Networks train in seconds, with and without dropout; Ctrl-C ends it.

    Example: dropstudy teach --port 8000
    """
    echo("Loading handwritten digits and training a network that reads drawn ones: some seconds.")
    from dropstudy.data.load import load_dataset
    from dropstudy.engine.native.build import kernels
    from dropstudy.report.server import Addresses, listen
    from dropstudy.teach.drawing import form_of
    from dropstudy.teach.lesson import prepare
    from dropstudy.teach.server import teach_server

    if data is not None:
        form_of(data)  # refused before anything is fetched
    with listen(port) as channel:
        dataset = load_dataset(data, data_dir=data_dir)
        if dataset.fallback:
            echo("MNIST was not found: scikit-learn's 8x8 digits take its place.")
        kernels(echo)  # compiled now, if it has to be, and told
        lesson = prepare(dataset)
        addresses = Addresses()
        words = "Any browser on this machine that has the address can use it, several at once."
        serve(teach_server(lesson, addresses), channel, addresses, words, no_browser=no_browser)
