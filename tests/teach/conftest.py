"""The lesson on the digits, made once for all tests of a process."""

import pytest

from dropstudy import load_dataset
from dropstudy.teach.lesson import prepare


@pytest.fixture(scope="session")
def lesson():
    return prepare(load_dataset("digits"))
