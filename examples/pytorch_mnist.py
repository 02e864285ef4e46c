"""Does dropout help a network of PyTorch on MNIST? A training loop of one's own, compared over rates and seeds.

    pip install torch
    python examples/pytorch_mnist.py --rates 0,0.2,0.5 --seeds 6

`train` is an ordinary training loop. It takes a rate and a seed, yields its metrics after each epoch, and gives the
probabilities of the test examples at the end. All else is dropstudy's: workers, progress, the verdict and the page.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import dropstudy

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCHS, BATCH = 5, 128


def make_network() -> Any:
    """A small convolutional network with two places of dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(32 * 6 * 6, 128),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(128, 10),
    )


def train(rate: float, seed: int, data: Any) -> Iterator[dict[str, Any]]:
    """Train one network. The seed decides initial weights and order, so that all rates of a seed share them."""
    torch.manual_seed(seed)
    network = make_network()
    dropstudy.set_dropout_rate(network, rate)
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    x_train, x_val, x_test = (torch.from_numpy(x)[:, None] for x in (data.x_train, data.x_val, data.x_test))
    y_train, y_val = torch.from_numpy(data.y_train), torch.from_numpy(data.y_val)
    for _ in range(EPOCHS):
        network.train()
        losses, right = 0.0, 0
        for batch in torch.randperm(len(x_train), generator=order).split(BATCH):
            outputs = network(x_train[batch])
            loss = cross_entropy(outputs, y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(batch)
            right += int((outputs.argmax(1) == y_train[batch]).sum())
        network.eval()
        with torch.no_grad():
            outputs = network(x_val)
        yield {
            "loss": losses / len(x_train),
            "accuracy": right / len(x_train),
            "val_loss": cross_entropy(outputs, y_val),
            "val_accuracy": (outputs.argmax(1) == y_val).float().mean(),
        }
    with torch.no_grad():
        yield {"probabilities": network(x_test).softmax(1)}


def main() -> None:
    """Compare the rates that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", default="0,0.2,0.5")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--out", default="studies/pytorch-mnist")
    asked = parser.parse_args()
    rates = [float(rate) for rate in asked.rates.split(",")]
    dropstudy.compare(train, asked.data, rates=rates, seeds=asked.seeds, out=asked.out)


if __name__ == "__main__":
    main()
