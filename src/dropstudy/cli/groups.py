"""Help of commands; the options of one with many are in groups, each with an example."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand

from dropstudy.cli.output import echo
from dropstudy.cli.wording import worded
from dropstudy.errors import DropstudyError

STUDY, MODEL, DATA = "Study", "Your network", "Data"
TRAINING, VERDICT, OUTPUT = "Training", "Verdict", "Output"

EXAMPLES = {
    STUDY: "dropstudy run --rates 0,0.2,0.5 --seeds 6 --hidden 256,256",
    MODEL: "dropstudy run --model cnn.keras --data mnist --rates 0,0.2,0.5",
    DATA: "dropstudy run --data fashion_mnist --validation-split 10000",
    TRAINING: "dropstudy run --optimizer sgd,momentum=0.9 --learning-rate 0.1",
    VERDICT: "dropstudy run studies/notebook --until-decided --max-seeds 30",
    OUTPUT: "dropstudy run studies/notebook --seeds 20 --dry-run",
}
"""Groups of options, in their order, and an example of each."""


class PlainCommand(TyperCommand):
    """Command whose help names arguments and defaults in words, without typer's notation of types and brackets."""

    option_groups: tuple[str, ...] = ("Options",)

    def invoke(self, ctx: Any) -> Any:
        """Call the command; print an error that the user can correct, in the words of this command's flags."""
        try:
            return super().invoke(ctx)
        except DropstudyError as error:
            echo(f"Error: {worded(error, ctx)}", err=True)
            raise typer.Exit(error.exit_code) from error

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Pieces of the usage line; a required argument has no braces."""
        return [re.sub("[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then each group of options, with its example if it has one."""
        for name, records in self.records(ctx).items():
            with formatter.section(name):
                if name in EXAMPLES:
                    formatter.write_text(f"Example: {EXAMPLES[name]}")
                formatter.write_dl(records)

    def records(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Name and text of each argument, and of each option by its group; those of no group are in the last one."""
        parts: dict[str, list[tuple[str, str]]] = {
            "Arguments": [],
            **{name: [] for name in self.option_groups},
        }
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, text = record
            text = text.removesuffix("  [required]")
            text = re.sub(r"\.  \[default: (.*)\]$", r"; default: \1.", text)
            if parameter.param_type_name == "argument":
                parts["Arguments"].append((name.split(" <")[0], text))
            else:
                panel = getattr(parameter, "rich_help_panel", None)
                parts[panel if panel in parts else self.option_groups[-1]].append((name, text))
        return {name: records for name, records in parts.items() if records}


class GroupedCommand(PlainCommand):
    """Command whose help has its options in the groups of `EXAMPLES`, by their `rich_help_panel`."""

    option_groups = tuple(EXAMPLES)
