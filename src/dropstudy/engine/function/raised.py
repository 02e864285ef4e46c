"""What a training function of the user raised: its run fails, and the others go on."""

from __future__ import annotations


class FunctionRaised(Exception):
    """What a training function of the user raised, in a form that every process can read.

    Args:
        kind: name of its type.
        text: its message.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind, self.text = kind, text

    def __str__(self) -> str:
        return self.text
