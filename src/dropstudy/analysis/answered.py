"""The record of an answer: questions with their answers, cautions and next steps."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.phrases import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.next_steps import NextStep
    from dropstudy.core.types import Arm

QUESTIONS = ("Does dropout help?", "At which rate?", "How sure can I be?")
WITHOUT_RATES = ("Does any arm help?", "Which one?", "How sure can I be?")
UNTIL_THEN = "Until then?"
HOW_LIKELY = "How likely?"
AS_PUBLISHED = "As published?"


def questions_to(arms: Sequence[Arm]) -> tuple[str, str, str]:
    """The questions that arms can answer: beside a baseline that drops units none is whether dropout helps."""
    baseline = arms[0]
    if not any(isfinite(rate) for arm in arms for rate in arm.rates):
        return WITHOUT_RATES
    if any(baseline.rates) or baseline.input_rate:
        return (f"Is any arm better than {quoted(baseline.name)}?", *QUESTIONS[1:])
    return QUESTIONS


@dataclass(frozen=True)
class Answer:
    """Answer of a study; each text has one sentence or two.

    Args:
        helps: to the first of the questions.
        rate: to the second; empty where it has no point.
        sure: to the third; empty where no run has finished.
        cautions: reasons to trust it less, one sentence each.
        steps: what to do next, the most useful first.
        questions: those that the arms can answer.
        meanwhile: what to use until an undecided study is decided; else empty.
        likely: probabilities of better, no difference that matters and worse, where they fit into a line.
        published: what came out of the published results that the study repeats; empty where it repeats none.
    """

    helps: str
    rate: str
    sure: str
    cautions: tuple[str, ...]
    steps: tuple[NextStep, ...]
    questions: tuple[str, str, str] = QUESTIONS
    meanwhile: str = ""
    likely: str = ""
    published: str = ""

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Each question with its answer."""
        texts = (self.helps, self.rate, self.sure, self.likely, self.meanwhile, self.published)
        asked = (*self.questions, HOW_LIKELY, UNTIL_THEN, AS_PUBLISHED)
        return tuple(line for line in zip(asked, texts, strict=True) if line[1])

    @property
    def notes(self) -> tuple[str, ...]:
        """Cautions, then steps, one line each."""
        return (*self.cautions, *map(str, self.steps))

    def __str__(self) -> str:
        return "\n".join((*(f"{question} {text}" for question, text in self.lines), *self.notes))

    def _repr_html_(self) -> str:
        rows = (f"<p><b>{escape(question)}</b> {escape(text)}</p>" for question, text in self.lines)
        return "\n".join((*rows, *(f"<p>{escape(note)}</p>" for note in self.notes)))
