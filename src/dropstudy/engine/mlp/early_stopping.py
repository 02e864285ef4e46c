"""Early stopping as in Keras with `restore_best_weights`: the weights of lowest validation loss, and patience.

Of two epochs with the same validation loss the first counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.engine.mlp import programs
from dropstudy.engine.mlp.state import BEST, pack_layers, unpack_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.core.types import Run
    from dropstudy.core.types import State as NamedArrays
    from dropstudy.engine.mlp.network import Params


@dataclass(eq=False)
class BestEpoch:
    """Best epoch of each lane so far.

    Args:
        params: weights of the best epoch; the initial weights before the first epoch ends.
        losses: its validation loss; infinite before.
        epochs: its number, from 1; 0 before.
        patience: epochs without a lower loss after which a run ends; 0 for never.
    """

    params: Params
    losses: list[float]
    epochs: list[int]
    patience: int

    @classmethod
    def of(cls, runs: Sequence[Run], states: Sequence[NamedArrays], params: Params) -> BestEpoch:
        """Restore it from the runs' last states; start with `params` if there are none."""
        if not states:
            copies = jax.tree.map(jnp.copy, params)  # training overwrites the originals
            return cls(copies, [math.inf] * len(runs), [0] * len(runs), runs[0].patience)
        return cls(
            unpack_layers(BEST, states),
            [float(state[f"{BEST}/loss"]) for state in states],
            [int(state[f"{BEST}/epoch"]) for state in states],
            runs[0].patience,
        )

    def update(
        self, params: Params, losses: NDArray[np.float64], epoch: int, ended: Sequence[bool]
    ) -> list[bool]:
        """Store the weights of lanes whose loss is lower than before.

        Args:
            params: weights at the end of `epoch`.
            losses: validation losses then, (lanes,).
            epoch: from 1.
            ended: lanes that ended earlier; they do not change.

        Returns:
            True for each lane whose patience is exhausted.
        """
        better = [
            not over and loss < best for loss, best, over in zip(losses, self.losses, ended, strict=True)
        ]
        if any(better):
            self.params = programs.select(jnp.asarray(better), params, self.params)
        for lane, improved in enumerate(better):
            if improved:
                self.losses[lane], self.epochs[lane] = float(losses[lane]), epoch
        return [self.patience > 0 and epoch - best >= self.patience for best in self.epochs]

    def restore(self, params: Params, ended: Sequence[bool]) -> Params:
        """Replace the weights of lanes that have ended by their best ones."""
        restored: Params = programs.select(jnp.asarray(ended), self.params, params)
        return restored

    def pack(self, lane: int) -> NamedArrays:
        """One lane's part of a checkpoint."""
        return {
            **pack_layers(BEST, self.params, lane),
            f"{BEST}/loss": np.asarray(self.losses[lane], np.float64),
            f"{BEST}/epoch": np.asarray(self.epochs[lane], np.int64),
        }
