"""Values that a shell completes when Tab is pressed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def preset_names() -> tuple[str, ...]:
    """Names of the presets."""
    from dropstudy.spec.presets import names

    return names()


def presets_and_files(incomplete: str) -> list[str]:
    """What `run` trains: a preset, a study file or a study's folder."""
    return _with_files(preset_names(), incomplete)


def data_and_files(incomplete: str) -> list[str]:
    """Datasets by name, and files."""
    from dropstudy.data.load import ABOUT

    return _with_files((name for name in ABOUT if not name.endswith(":NAME")), incomplete)


def _with_files(names: Iterable[str], incomplete: str) -> list[str]:
    """Names that begin so, with the files that do. Where no name does, the shell completes files itself."""
    fitting = [name for name in names if name.startswith(incomplete)]
    files = sorted(path for path in Path().glob(f"{incomplete}*") if fitting and path.name[0] != ".")
    return list(dict.fromkeys([*fitting, *map(str, files)]))


def values(kind: str) -> Callable[[], tuple[str, ...]]:
    """Values of a type of `core.types`, such as `Activation`."""

    def listed() -> tuple[str, ...]:
        from dropstudy.core import types

        return get_args(getattr(types, kind))

    return listed


def devices() -> tuple[str, ...]:
    """Devices that train."""
    from dropstudy.core.hardware import DEVICES

    return DEVICES


def sources_of_noise(incomplete: str) -> list[str]:
    """Values of `--redraw`: `all`, or sources with commas between."""
    before, comma, _ = incomplete.rpartition(",")
    return [*([] if comma else ["all"]), *(f"{before}{comma}{name}" for name in values("NoiseSource")())]


def choice(words: str) -> dict[str, Any]:
    """Settings of an option whose values are those that its metavar names in small letters: `auto|NUMBER`."""
    return {
        "metavar": words,
        "autocompletion": lambda: [word for word in words.split("|") if word.islower()],
    }
