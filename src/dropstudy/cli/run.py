"""Train a study, or continue one: `dropstudy run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropstudy.cli import completion, options
from dropstudy.cli.cluster import AllowMixed, Scheduler, workers_of
from dropstudy.cli.groups import DATA, OUTPUT, STUDY, TRAINING, VERDICT
from dropstudy.cli.options import DataDir, Drop, Group, ImageSize, Target, TestFile, TestSize, joined
from dropstudy.cli.output import echo
from dropstudy.cli.sequential import FindRate, MaxSeeds, Redraw, UntilDecided, most_seeds, refuse, train
from dropstudy.core.interrupts import STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable


def run(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    context: typer.Context,
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="SPEC",
            help="A preset, a study file or a study's folder; default: notebook; tune for your own data; "
            "table with --target.",
            show_default=False,
            autocompletion=completion.presets_and_files,
        ),
    ] = None,
    model: options.ModelPath = None,
    dropout_layers: options.DropoutLayers = None,
    add_dropout: options.AddDropout = False,
    pretrained: options.Pretrained = False,
    function: options.FunctionName = None,
    # What is compared
    rates: Annotated[
        Any,
        typer.Option(
            parser=options.rates,
            metavar="0,0.5",
            help="Dropout rates to compare; the first is the baseline. "
            "Default: 0,0.8 (tune: 0,0.1,0.2,0.3,0.4,0.5; table: 0,0.2,0.5).",
            rich_help_panel=STUDY,
        ),
    ] = None,
    seeds: Annotated[
        Any,
        typer.Option(
            parser=options.seeds,
            metavar="6|3,4",
            help="Number of seeds, or a list of seeds (42, for one); default: 1 "
            "(tune, and digits in place of MNIST: 6; table: 10).",
            rich_help_panel=STUDY,
        ),
    ] = None,
    arms: Annotated[
        list[Any] | None,
        typer.Option(
            parser=options.arm,
            metavar="SETTINGS",
            help="Settings of an arm: rate=0.5,max_norm=3, or rate=0.2,0.5 by hidden layer. Once for each arm.",
            show_default=False,
            rich_help_panel=STUDY,
        ),
    ] = None,
    hidden: Annotated[
        list[Any] | None,
        typer.Option(
            parser=options.layers,
            metavar="512,512",
            help="Units of each hidden layer. Once for each network; default: 512,512 (table: 128,128).",
            show_default=False,
            rich_help_panel=STUDY,
        ),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Activation of the hidden layers: relu, tanh or sigmoid; default: relu.",
            autocompletion=completion.values("Activation"),
            rich_help_panel=STUDY,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=options.folder,
            metavar="DIRECTORY",
            help="Folder of the study; default: studies/NAME, of a preset on --data studies/NAME-DATA.",
            rich_help_panel=STUDY,
        ),
    ] = None,
    # Data
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="A dataset's name, a CSV, Parquet, .npz or .npy file, or a folder of images; "
            "default: mnist, or digits where it is not found.",
            autocompletion=completion.data_and_files,
            rich_help_panel=DATA,
        ),
    ] = None,
    target: Target = None,
    test: TestFile = None,
    test_size: TestSize = None,
    group: Group = None,
    drop: Drop = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    scale: Annotated[
        Any,
        typer.Option(
            parser=options.scale,
            **completion.choice("auto|NUMBER"),
            help="Number that inputs are divided by; default: auto, found from the values.",
            rich_help_panel=DATA,
        ),
    ] = None,
    train_sizes: Annotated[
        Any,
        typer.Option(
            parser=options.sizes,
            metavar="1000,all",
            help="Numbers of training examples to compare; default: all.",
            rich_help_panel=DATA,
        ),
    ] = None,
    validation_split: Annotated[
        Any,
        typer.Option(
            parser=options.validation_split,
            **completion.choice("test|SHARE|COUNT"),
            help="Training examples held out for validation; or test, for the test set; "
            "default: test (tune: 0.15; table: 0.2).",
            rich_help_panel=DATA,
        ),
    ] = None,
    fixed_validation: Annotated[
        bool | None,
        typer.Option(
            help="Hold out the same examples for every seed; default: no.",
            show_default=False,
            rich_help_panel=DATA,
        ),
    ] = None,
    # Training
    epochs: Annotated[
        int | None,
        options.whole_option(
            "Passes over the training data; default: 20 (table: 100).", rich_help_panel=TRAINING
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        options.whole_option("Examples per step; default: 128 (table: 64).", rich_help_panel=TRAINING),
    ] = None,
    optimizer: Annotated[
        Any,
        typer.Option(
            parser=options.optimizer,
            metavar="SETTINGS",
            help="adam or sgd, with settings if needed: sgd,momentum=0.9 or adam,beta_1=0.9,beta_2=0.999,"
            "epsilon=1e-7. decay=0.95 is a factor on the learning rate after each epoch. Default: adam.",
            autocompletion=completion.values("OptimizerName"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        options.number_option(
            "Learning rate of the optimizer in the first epoch; default: 0.001.", rich_help_panel=TRAINING
        ),
    ] = None,
    patience: Annotated[
        int | None,
        options.whole_option(
            "Stop after this many epochs without a lower validation loss; default: 0, which never stops (table: 10).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    restore_best_weights: Annotated[
        bool | None,
        typer.Option(
            help="Test the epoch of lowest validation loss, not the last epoch; default: no (table: yes).",
            show_default=False,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="auto, float32 or bfloat16; default: auto.",
            autocompletion=completion.values("Precision"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        options.whole_option("Processes, one core each; default: all cores.", rich_help_panel=TRAINING),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, cpu or gpu.",
            autocompletion=completion.devices,
            rich_help_panel=TRAINING,
        ),
    ] = "auto",
    scheduler: Scheduler = None,
    allow_mixed: AllowMixed = False,
    # Verdict
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What choice and verdict rest on: accuracy, balanced-accuracy, log-loss or auc; default: accuracy.",
            autocompletion=completion.values("MetricName"),
            rich_help_panel=VERDICT,
        ),
    ] = None,
    margin: Annotated[
        float | None,
        options.number_option(
            "Largest difference of the metric that does not matter; default: 0.1 percentage points of accuracy, 0.005 "
            "nats of log loss, 0.001 of AUC.",
            rich_help_panel=VERDICT,
        ),
    ] = None,
    until_decided: UntilDecided = False,
    max_seeds: MaxSeeds = None,
    find_rate: FindRate = None,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help="Train the chosen arm and the baseline again, on fresh seeds.",
            rich_help_panel=VERDICT,
        ),
    ] = False,
    redraw: Redraw = None,
    # Output
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Estimate runs, disk and time; train and keep nothing.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    keep_weights: Annotated[
        str | None,
        typer.Option(
            **completion.choice("all|best|none"),
            help="Weights that stay on disk: all, best (the best run of each arm) or none; default: all.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    epoch_lines: Annotated[
        bool,
        typer.Option(
            "--epoch-lines",
            help="Print Keras' line for each epoch. Default: a live table on a terminal; elsewhere the lines, or "
            "with more than 100 epochs in all a line each minute.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only the result.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Train a study, or continue one, and print what it shows.

    Defaults are those of the presets; a study file and a study's folder have their own.

    Example: dropstudy run notebook --epochs 5 --out studies/quick
    """
    from dropstudy.analysis.confirm import baseline_chosen
    from dropstudy.analysis.redrawn import sentences
    from dropstudy.cli.estimate import estimated, runs_to_come
    from dropstudy.cli.existing import about_existing, how_to_continue, study_of
    from dropstudy.cli.result import print_answer, print_places, report_failures
    from dropstudy.report.stamp import is_current
    from dropstudy.runtime.progress.lines import EpochLines

    say: Callable[[str], None] = _silent if quiet else echo
    most = most_seeds(max_seeds, until_decided=until_decided, find_rate=find_rate)
    study = study_of(
        spec,
        out,
        dry_run=dry_run,
        notify=say,
        model=model,
        model_options=options.model_options(
            model, dropout_layers, add_dropout=add_dropout, pretrained=pretrained
        ),
        function=function,
        data_dir=data_dir,
        data=data,
        target=target,
        test=test,
        test_size=test_size,
        group=group,
        drop=joined(drop),
        image_size=image_size,
        scale=scale,
        rates=rates,
        seeds=seeds,
        arms=arms or None,
        hidden=hidden or None,
        train_sizes=train_sizes,
        activation=activation,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=options.with_learning_rate(optimizer, learning_rate),
        validation_split=validation_split,
        fixed_validation=fixed_validation,
        precision=precision,
        restore_best_weights=restore_best_weights,
        patience=patience,
        keep_weights=keep_weights,
        metric=metric,
        margin=margin,
    )
    further = {"most": most, "confirm": confirm, "find_rate": find_rate, "redraw": redraw}
    refuse(study, **further)

    for line in about_existing(study, context):
        say(line)
    if dry_run:
        found = estimated(study, workers=workers, device=device)
        echo("\n".join((str(found), *runs_to_come(study, found, **further))))
        return
    done = study.finished and not any(further.values())
    if done:
        say(f"This study is finished; nothing to train. {study.folder}")
    try:
        display = EpochLines() if epoch_lines and not quiet else None
        how: dict[str, Any] = {
            "workers": workers,
            "device": device,
            "callbacks": display,
            "verbose": not quiet,
        }
        with workers_of(
            scheduler, needed=not done, allow_mixed=allow_mixed, device=device, notify=say
        ) as there:
            unconfirmed = train(study, **further, how=how | there)
        results = study.results()
        snapshot = results.snapshot
        print_answer(snapshot)
        if redraw:
            echo("\n".join(("", *sentences(snapshot.verdict.conditions))))
        if not is_current(snapshot):
            say("\nWriting the report.")
            results.report()
        if not quiet:
            print_places(snapshot)
    except KeyboardInterrupt:
        flags = " --until-decided" * until_decided + " --confirm" * confirm
        flags += f" --find-rate {find_rate}" if find_rate else ""
        flags += f" --redraw {','.join(redraw)}" if redraw else ""
        flags += f" --scheduler {scheduler}{' --allow-mixed' * allow_mixed}" if scheduler else ""
        echo(f"\nInterrupted. {how_to_continue(study, data_dir, flags)}", err=True)
        raise typer.Exit(STOPPED) from None
    report_failures(snapshot)
    if unconfirmed is None:
        return
    if not baseline_chosen(snapshot.verdict):
        raise unconfirmed
    say("Nothing to confirm: validation data chose the baseline.")


def _silent(_: str) -> None: ...
