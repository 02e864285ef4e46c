"""Help of a command with many options: in groups, each with an example."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

STUDY, DATA, TRAINING, VERDICT, OUTPUT = "Study", "Data", "Training", "Verdict", "Output"

EXAMPLES = {
    STUDY: "dropstudy run --rates 0,0.2,0.5 --seeds 6 --hidden 256,256",
    DATA: "dropstudy run --data fashion_mnist --validation-split 10000",
    TRAINING: "dropstudy run --optimizer sgd,momentum=0.9 --learning-rate 0.1",
    VERDICT: "dropstudy run studies/notebook --until-decided --max-seeds 30",
    OUTPUT: "dropstudy run studies/notebook --seeds 20 --dry-run",
}
"""Groups of options, in their order, and an example of each."""


class GroupedCommand(TyperCommand):
    """Command whose help has its options in the groups of `EXAMPLES`, by their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options; options of no group, such as --help, are in the last one."""
        parts: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{name: [] for name in EXAMPLES}}
        for parameter in self.get_params(ctx):
            panel = getattr(parameter, "rich_help_panel", None) or OUTPUT
            name = "Arguments" if parameter.param_type_name == "argument" else panel
            record = parameter.get_help_record(ctx)
            if record is not None:
                parts[name].append(record)
        for name, records in parts.items():
            with formatter.section(name):
                if name in EXAMPLES:
                    formatter.write_text(f"Example: {EXAMPLES[name]}")
                formatter.write_dl(records)
