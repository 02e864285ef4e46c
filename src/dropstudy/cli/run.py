"""`dropstudy run`: make a study, or go on with one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropstudy.cli import options
from dropstudy.cli.options import DataDir
from dropstudy.cli.output import echo
from dropstudy.cli.show import export_command, print_result, print_summaries, report_failures
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.report.snapshot import Snapshot

INTERRUPTED = 130


def run(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    spec: Annotated[
        str, typer.Argument(metavar="[SPEC]", help="A preset, a study file or a study's folder.")
    ] = "notebook",
    out: Annotated[
        Path | None,
        typer.Option(
            parser=options.folder, metavar="DIRECTORY", help="The study's folder; studies/NAME if left out."
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="mnist, fashion_mnist, digits or an .npz file.")] = None,
    data_dir: DataDir = None,
    scale: Annotated[
        str | None, typer.Option(help="What inputs are divided by; found from the values if left out.")
    ] = None,
    rates: Annotated[str | None, typer.Option(help="Rates to compare, the first as baseline: 0,0.5.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="How many seeds: 6. Or which: 3,4,5 or 42, for one.")
    ] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option(help="Settings of an arm: rate=0.5,max_norm=3. Once for each arm.", show_default=False),
    ] = None,
    hidden: Annotated[
        list[str] | None,
        typer.Option(help="Units of each hidden layer: 512,512. Once for each network.", show_default=False),
    ] = None,
    train_sizes: Annotated[
        str | None, typer.Option(help="Training examples, several sizes: 1000,10000,all.")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="Of the hidden layers: relu, tanh or sigmoid.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples per step.")] = None,
    validation_split: Annotated[
        str | None, typer.Option(help="Training examples held out, a share or a count; or test.")
    ] = None,
    fixed_validation: Annotated[
        bool | None, typer.Option(help="Hold out the same examples for every seed.", show_default=False)
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    restore_best_weights: Annotated[
        bool | None,
        typer.Option(
            help="Test the epoch of lowest validation loss instead of the last.", show_default=False
        ),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a lower validation loss.")
    ] = None,
    keep_weights: Annotated[
        str | None, typer.Option(help="Whose weights stay on disk: all, best (of each arm) or none.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="Differences of test accuracy that do not matter, in percentage points; 0.1 at first."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes, one core each; all cores if left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, in runs, disk and time; keep nothing.")
    ] = False,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds until the verdict is decided.")
    ] = False,
    max_seeds: Annotated[
        int | None, typer.Option(help="With --until-decided: the most seeds; 50 if left out.")
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Train the chosen arm and the baseline again, on fresh seeds.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result alone.")] = False,
) -> None:
    """Train a study, or go on with one, and say what it shows.

    Example: dropstudy run notebook --epochs 5 --out studies/quick
    """
    from dropstudy.analysis.sequential import refuse_to_confirm
    from dropstudy.report.stamp import is_current, told
    from dropstudy.study.study import Study

    until = options.most_seeds(max_seeds, until_decided=until_decided)
    study = Study(
        spec,
        out=out,
        data_dir=data_dir,
        data=data,
        scale=options.scale(scale),
        rates=options.numbers("rates", rates, float, "0,0.5"),
        seeds=options.seeds(seeds),
        arms=options.arms(arms),
        hidden=options.networks(hidden),
        train_sizes=options.sizes(train_sizes),
        activation=activation,
        epochs=epochs,
        batch_size=batch_size,
        validation_split=options.validation_split(validation_split),
        fixed_validation=fixed_validation,
        precision=precision,
        restore_best_weights=restore_best_weights,
        patience=patience,
        keep_weights=keep_weights,
        margin=margin,
    )

    if confirm:
        refuse_to_confirm(study.spec, adds_seeds=until is not None)

    say: Callable[[str], None] = _nothing if quiet else echo
    if study.kept:
        say(f"The study has more than this asks for, and keeps it: {'; '.join(study.kept)}.")
    if dry_run:
        echo(str(study.dry_run(workers=workers, device=device)))
        return
    if study.finished:
        say(f"This study is finished; nothing to train. {study.folder}")
        if not (until_decided or confirm):
            study.run(workers=workers, device=device)  # its margin may be another one now
            now = study.now()
            if is_current(now):
                # Told as its report told it: to estimate all again takes longer than the rest of this command.
                print_summaries(now)
                echo("\n" + told(now))
                report_failures(now)
                return
    try:
        how: dict[str, Any] = {
            "workers": workers,
            "device": device,
            "verbose": not quiet,
        }
        in_vain = _train(study, until=until, confirm=confirm, how=how)
        now = study.now(data_dir=data_dir)
        print_result(now)
        if not is_current(now):
            say("\nDrawing the figures.")
            files = study.write(now)
            say("\n".join(_what_there_is_now(now, len(files))))
    except KeyboardInterrupt:
        more = " --until-decided" * until_decided + " --confirm" * confirm
        echo(f"\nInterrupted. {_how_to_go_on(study, data_dir, more)}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    report_failures(now)
    if in_vain is not None:
        raise in_vain


def _train(study: Any, *, until: int | None, confirm: bool, how: dict[str, Any]) -> InvalidArgument | None:
    """Train a study; why it cannot be confirmed, where that is asked for: to be said once its result was."""
    if until is None:
        study.run(**how)
    else:
        study.run_until_decided(max_seeds=until, **how)
    if confirm:
        try:
            study.confirm(**how)
        except InvalidArgument as error:
            return error
    return None


def _nothing(_: str) -> None: ...


def _what_there_is_now(now: Snapshot, files: int) -> list[str]:
    page = f"{now.folder / 'report.html'} (open it in a browser; {files - 1} more files beside it)"
    export = export_command(now)
    return [f"The report: {page}", *([f"A trained network: {export}"] if export else [])]


def _how_to_go_on(study: Any, data_dir: Path | None, more: str) -> str:
    from dropstudy.spec.merge import additions
    from dropstudy.store.directory import command, recorded

    so_far = recorded(study.folder)
    if so_far is None or additions(so_far, study.spec):
        return "Nothing was begun. The same command starts again."
    data = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
    return f"What was done is kept. Go on with: {command('run', study.folder)}{data}{more}"
