"""`--until-decided`, `--max-seeds`, `--find-rate`, `--redraw`: what is trained follows from what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropstudy.cli import options
from dropstudy.cli.completion import sources_of_noise
from dropstudy.cli.groups import VERDICT
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from dropstudy.study.study import Study


UntilDecided = Annotated[
    bool,
    typer.Option("--until-decided", help="Add seeds until the verdict is decided.", rich_help_panel=VERDICT),
]
MaxSeeds = Annotated[
    int | None,
    options.whole_option(
        "Largest number of seeds for --until-decided; default: 50.", rich_help_panel=VERDICT
    ),
]
FindRate = Annotated[
    int | None,
    options.whole_option(
        "Search the best rate with so many runs, 45 or more from 0,0.2,0.4,0.6,0.8 on (--rates sets others), and "
        "confirm it on fresh seeds.",
        rich_help_panel=VERDICT,
    ),
]
Redraw = Annotated[
    Any,
    typer.Option(
        parser=options.columns,
        metavar="all|weights,order,masks,split",
        autocompletion=sources_of_noise,
        help="Train the seeds again with one thing drawn anew, each in its turn: where their spread comes from.",
        rich_help_panel=VERDICT,
    ),
]


def most_seeds(given: int | None, *, until_decided: bool, find_rate: int | None) -> int | None:
    """Largest number of seeds; None if no seeds are added.

    Raises:
        InvalidArgument: `--max-seeds` stands alone, or `--until-decided` beside `--find-rate`.
    """
    from dropstudy.analysis.sequential import MAX_SEEDS, checked_max_seeds

    if until_decided and find_rate is not None:
        raise InvalidArgument(
            "--find-rate",
            expected="no --until-decided beside it, since a search has a budget of its own",
            received="both",
            next_step="Leave out one of them.",
        )
    if until_decided:
        return MAX_SEEDS if given is None else checked_max_seeds(given)
    if given is not None:
        raise InvalidArgument(
            "--max-seeds",
            expected="--until-decided beside it",
            received=f"--max-seeds {given} alone",
            next_step=f"Add --until-decided, or give the number of seeds as --seeds {given}.",
        )
    return None


def refuse(
    study: Study, *, most: int | None, confirm: bool, find_rate: int | None, redraw: list[str] | None
) -> None:
    """Refuse what a study is not fit for, before it is trained; give it the rates and seeds of a search.

    Raises:
        InvalidArgument: it is not.
    """
    if find_rate is not None:
        from dropstudy.study.find_rate import prepare

        prepare(study, find_rate)
    elif confirm:
        from dropstudy.analysis.sequential import refuse_to_confirm

        refuse_to_confirm(study.spec, adds_seeds=most is not None)
    if redraw:
        from dropstudy.analysis.redrawn import refuse_one_seed
        from dropstudy.study.further_runs import sources_of

        sources_of(study, redraw)
        if study.spec.seeds and most is None:  # else their number is not known yet
            refuse_one_seed(len(study.spec.seeds))


def train(
    study: Study,
    *,
    most: int | None,
    confirm: bool,
    find_rate: int | None,
    redraw: list[str] | None,
    how: dict[str, Any],
) -> InvalidArgument | None:
    """Train a study. Return the error of `--confirm`, if any: it is raised after the result is printed."""
    unconfirmed = None
    if find_rate is not None:
        study.find_rate(find_rate, **how)
    elif most is not None:
        study.run_until_decided(max_seeds=most, **how)
    else:
        study.run(**how)
    if confirm and find_rate is None:
        try:
            study.confirm(**how)
        except InvalidArgument as error:
            unconfirmed = error
    if redraw:
        study.redraw(*redraw, **how)
    return unconfirmed
