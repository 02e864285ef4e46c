"""`set_dropout_rate`: on PyTorch's modules where it is installed, on stand-ins of its classes everywhere."""

import subprocess
import sys

import pytest

import dropstudy
from dropstudy.errors import InvalidArgument, ModelError


class Tree:
    """A module with others inside, as PyTorch's `named_modules` gives them."""

    def __init__(self, **parts):
        self.parts = parts

    def named_modules(self):
        yield "", self
        yield from self.parts.items()


def of_torch(name, **attributes):
    """An object of a class that is called as one of PyTorch, and of a subclass of it."""
    base = type(name, (), {"__module__": "torch.nn.modules"})
    part = type(f"My{name}", (base,), {})()
    vars(part).update(attributes)
    return part


def test_rates_of_all_kinds_of_dropout_are_set_and_named():
    plain, attention = of_torch("_DropoutNd", p=0.1), of_torch("MultiheadAttention", dropout=0.1)
    lstm, single = (
        of_torch("RNNBase", dropout=0.1, num_layers=2),
        of_torch("RNNBase", dropout=0.0, num_layers=1),
    )
    other = of_torch("Linear", p=0.1)
    tree = Tree(a=plain, b=attention, c=lstm, d=single, e=other)
    assert dropstudy.set_dropout_rate(tree, 0.4) == ["a", "b", "c"]
    assert (plain.p, attention.dropout, lstm.dropout, single.dropout, other.p) == (0.4, 0.4, 0.4, 0.0, 0.1)


def test_a_module_without_dropout_a_wrong_rate_and_no_module_are_refused():
    with pytest.raises(ModelError, match="expected a module with dropout"):
        dropstudy.set_dropout_rate(Tree(a=of_torch("Linear")), 0.4)
    with pytest.raises(ModelError, match="recurrent layers of one layer"):
        dropstudy.set_dropout_rate(Tree(a=of_torch("RNNBase", dropout=0.0, num_layers=1)), 0.4)
    with pytest.raises(InvalidArgument, match="rate"):
        dropstudy.set_dropout_rate(Tree(a=of_torch("_DropoutNd", p=0.1)), 1.0)
    with pytest.raises(InvalidArgument, match=r"expected a torch\.nn\.Module"):
        dropstudy.set_dropout_rate(3, 0.4)


def test_pytorch_is_not_imported():
    script = "import sys, dropstudy; dropstudy.set_dropout_rate; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - our own script


def test_modules_of_pytorch():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    network = nn.ModuleDict(
        {
            "plain": nn.Dropout(0.1),
            "channels": nn.Dropout2d(0.1),
            "alpha": nn.AlphaDropout(0.1),
            "layer": nn.TransformerEncoderLayer(8, 2, dropout=0.1),
            "lstm": nn.LSTM(4, 4, num_layers=2, dropout=0.1),
            "gru": nn.GRU(4, 4),
        }
    )
    found = dropstudy.set_dropout_rate(network, 0.5)
    assert {"plain", "channels", "alpha", "lstm", "layer.self_attn", "layer.dropout"} <= set(found)
    assert "gru" not in found
    assert network["layer"].self_attn.dropout == network["lstm"].dropout == network["plain"].p == 0.5
    ones = torch.ones(100_000)
    kept = network["plain"].train()(ones)
    assert set(kept.unique().tolist()) == {0.0, 2.0}  # each is 0 or x / (1 - rate)
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)
