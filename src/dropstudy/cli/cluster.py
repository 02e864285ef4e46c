"""`--scheduler`: the workers of a cluster in place of processes of this machine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropstudy.cli.groups import TRAINING
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Train on the workers of a Dask scheduler, such as tcp://10.0.0.1:8786.",
        show_default=False,
        rich_help_panel=TRAINING,
    ),
]
AllowMixed = Annotated[
    bool,
    typer.Option(
        "--allow-mixed",
        help="With --scheduler: take workers whose last digits may differ.",
        rich_help_panel=TRAINING,
    ),
]


@contextmanager
def workers_of(
    address: str | None, *, needed: bool, allow_mixed: bool, device: str, notify: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Arguments of `Study.run` for the workers of a scheduler, while the `with` statement lasts; none without one.

    Nothing is connected where no worker is needed.

    Raises:
        InvalidArgument: no scheduler answers there, or `--allow-mixed` stands alone.
    """
    if allow_mixed and address is None:
        raise InvalidArgument(
            "allow_mixed",
            expected="--scheduler beside it",
            received="--allow-mixed alone",
            next_step="Leave it out: the processes of one machine are alike.",
        )
    if address is None or not needed:
        yield {}
        return
    from dropstudy.runtime.cluster import connect

    with connect(address, allow_mixed=allow_mixed, notify=notify, device=device) as pool:
        yield {"executor": pool}
