"""The lesson on the digits, made once for all tests of a process."""

import threading
from dataclasses import dataclass, field

import pytest

from dropstudy import load_dataset
from dropstudy.teach.lesson import Lesson, prepare


@dataclass(frozen=True, eq=False)
class HeldLesson(Lesson):
    """A lesson whose trainings begin once they may, so that a test can look while one takes a place."""

    asked: threading.Event = field(default_factory=threading.Event)
    may_begin: threading.Event = field(default_factory=threading.Event)

    def train(self, rate, seed):
        self.asked.set()
        assert self.may_begin.wait(60)
        yield from super().train(rate, seed)


@pytest.fixture(scope="session")
def lesson():
    return prepare(load_dataset("digits"))


@pytest.fixture
def held_lesson(lesson):
    return HeldLesson(lesson.dataset, lesson.form, lesson.arrays, lesson.reader)
