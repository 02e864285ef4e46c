"""Early stopping as in Keras: the weights of lowest validation loss, and patience.

As there with `restore_best_weights`, the weights of the best epoch take the place of the last one's, and of two epochs
that are equally good the first counts.
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
    from dropstudy.core.types import State as Named
    from dropstudy.engine.mlp.network import Params


@dataclass(eq=False)
class BestEpoch:
    """Best epoch of each lane so far: its weights, its validation loss and its number.

    Args:
        params: the weights of its best epoch so far, or any before the first epoch has ended.
        losses: the validation loss then, infinite before.
        epochs: when that was, from 1; 0 before.
        patience: epochs without a lower loss after which a run ends; 0 for never.
    """

    params: Params
    losses: list[float]
    epochs: list[int]
    patience: int

    @classmethod
    def of(cls, runs: Sequence[Run], states: Sequence[Named], params: Params) -> BestEpoch:
        """Restore it from the runs' last states; without states, begin anew."""
        if not states:
            own = jax.tree.map(jnp.copy, params)  # training consumes the others
            return cls(own, [math.inf] * len(runs), [0] * len(runs), runs[0].patience)
        return cls(
            unpack_layers(BEST, states),
            [float(state[f"{BEST}/loss"]) for state in states],
            [int(state[f"{BEST}/epoch"]) for state in states],
            runs[0].patience,
        )

    def consider(
        self, params: Params, losses: NDArray[np.float64], epoch: int, ended: Sequence[bool]
    ) -> list[bool]:
        """Keep the weights of lanes that are better than before.

        Args:
            params: at the end of `epoch`.
            losses: on the validation data then, (lanes,).
            epoch: from 1.
            ended: which lanes had ended before; they keep what they have.

        Returns:
            Which lanes' patience is exhausted.
        """
        better = [
            not over and loss < best for loss, best, over in zip(losses, self.losses, ended, strict=True)
        ]
        if any(better):
            self.params = programs.kept(jnp.asarray(better), params, self.params)
        for lane, improved in enumerate(better):
            if improved:
                self.losses[lane], self.epochs[lane] = float(losses[lane]), epoch
        return [self.patience > 0 and epoch - best >= self.patience for best in self.epochs]

    def restore(self, params: Params, ended: Sequence[bool]) -> Params:
        """The best weights of lanes that have ended, the given ones of the others."""
        chosen: Params = programs.kept(jnp.asarray(ended), self.params, params)
        return chosen

    def pack(self, lane: int) -> Named:
        """One lane's share by name."""
        return {
            **pack_layers(BEST, self.params, lane),
            f"{BEST}/loss": np.asarray(self.losses[lane], np.float64),
            f"{BEST}/epoch": np.asarray(self.epochs[lane], np.int64),
        }
