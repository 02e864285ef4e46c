"""Programs that several files of tests use, and those compiled by XLA, kept from one test run to the next."""

from pathlib import Path

import jax
import pytest

from dropstudy.core.hardware import machine_key
from dropstudy.engine.native.build import kernels
from dropstudy.engine.native.library import Library

FOLDER = Path(__file__).parents[2] / ".pytest_cache" / f"programs-{machine_key()}"

jax.config.update("jax_compilation_cache_dir", str(FOLDER))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="module")
def library(cache_folder):
    """The compiled training program."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPSTUDY_CACHE", str(cache_folder))
        patch.delenv("DROPSTUDY_KERNELS", raising=False)
        built = kernels()
    if built.path is None:
        pytest.skip(built.obstacle)
    return Library(built.path)
