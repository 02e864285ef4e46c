"""The compiled training program, and those compiled by XLA, kept from one test run to the next."""

import pytest

import kept_programs  # noqa: F401 - importing it is enough
from dropstudy.engine.native.build import kernels
from dropstudy.engine.native.library import Library


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
