"""Study files that ship with dropstudy: examples, presets and tests at once."""

from __future__ import annotations

from importlib.resources import files


def names() -> tuple[str, ...]:
    """Names of the presets, sorted."""
    folder = files(__package__)
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def text(name: str) -> str:
    """The study file of a preset."""
    return (files(__package__) / f"{name}.toml").read_text(encoding="utf-8")


def title(name: str) -> str:
    """The first line of a preset's leading comment."""
    return text(name).splitlines()[0].removeprefix("#").strip()
