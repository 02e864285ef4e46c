"""Section 9, second half: how the study was made, and how to make it again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy.core.text import counted, first_of
from dropstudy.report.sections.blocks import Code, Facts, Section
from dropstudy.spec.study_file import STUDY_FILE, to_toml
from dropstudy.store.directory import LEFT_OUT
from dropstudy.store.paths import command

if TYPE_CHECKING:
    from dropstudy.core.model import ModelReference
    from dropstudy.report.snapshot import Snapshot


_MOST = 12  # devices, or machines, that are named


def provenance(snapshot: Snapshot) -> Section:
    """Data, versions, device, precision, time, the study file and the command."""
    metadata = snapshot.metadata
    left_out = first_of([f"{name}: {why}" for name, why in metadata.get(LEFT_OUT, {}).items()], _MOST, "; ")
    seconds = float(snapshot.history["seconds"].sum())
    model = snapshot.spec.model
    function = model is not None and model.is_function
    libraries = "" if function else f" jax {metadata['jax']},"
    if model and not function:
        libraries = f" Keras {metadata.get('environment', {}).get('keras', 'of unknown version')},{libraries}"
    over = counted(len(snapshot.finals), "run") if function else f"{len(snapshot.history):,} run-epochs"
    rows = [
        *_model(model),
        ("Data", f"{metadata['data']}, from {metadata['data_source']}"),
        ("SHA-256 of the data", metadata["data_sha256"]),
        (
            "Examples",
            f"{metadata['n_train']:,} training, {metadata['n_test']:,} test; {len(metadata['classes'])} classes",
        ),
        ("How the data were read", " ".join(metadata["data_notes"]) or "as they are"),
        (
            "Versions",
            f"dropstudy {metadata['dropstudy']},{libraries} Python {metadata['python']}",
        ),
        ("Device", _devices(snapshot)),
        *([("Machines left out", left_out)] if left_out else []),
        ("Processor", metadata.get("environment", {}).get("processor", "not recorded")),
        ("Precision of the matrix products", snapshot.spec.precision),
        ("Training time", f"{_duration(seconds)} of one process, over {over}"),
    ]
    unknown = {"Precision of the matrix products", "Device"} if function else set()
    if snapshot.has_own_data:
        unknown |= {"Data", "SHA-256 of the data", "Examples", "How the data were read"}
    rows = [row for row in rows if row[0] not in unknown]
    text = to_toml(snapshot.spec)
    again = f"{command('run', Path(STUDY_FILE))} --out again"
    if model and not model.can_be_continued:
        again = f"dropstudy.compare({model.name}, ...)  # in the script or notebook that defines it"
    blocks = (
        Facts(tuple(rows)),
        Code("The study file", text, folded=True),
        Code(
            "To make it again" + (", from the study file" if again.startswith("dropstudy run") else ""), again
        ),
    )
    purpose = "What was used, and how to make this study again."
    return Section("provenance", "How it was made", purpose, blocks=blocks)


def _devices(snapshot: Snapshot) -> str:
    """Devices that trained the runs, with the number of runs where there are several."""
    runs = Counter(part for text in snapshot.finals["device"].dropna() for part in text.split("; "))
    if len(runs) <= 1:
        return next(iter(runs), "none yet")
    return first_of([f"{name}: {counted(count, 'run')}" for name, count in runs.most_common()], _MOST, "; ")


def _model(model: ModelReference | None) -> list[tuple[str, str]]:
    """Rows on the user's model or training function."""
    if model is None:
        return []
    if model.is_function:
        return [("Training function", f"{model.function}, source {model.sha256[:12]}")]
    built = f", built by {model.builder}" if model.builder else ""
    return [
        ("Keras model", f"{model.name}, {model.parameters:,} parameters, digest {model.sha256[:12]}{built}"),
        ("Layers that the rate moves", ", ".join(model.noise)),
        ("Optimiser", model.optimizer),
    ]


def _duration(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.0f} seconds"
    if seconds < 7200:  # noqa: PLR2004 - two hours
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
