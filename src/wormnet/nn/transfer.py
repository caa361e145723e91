"""Transfer trained parameters from one layer to another, matched by the names of cells and synapses."""

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wormnet.errors import WiringError
from wormnet.models.spec import ParamSpec
from wormnet.nn.parameters import Table, plain_name
from wormnet.wiring.core import Wiring

__all__ = ["transfer"]


def transfer(old: nn.Module, new: nn.Module) -> None:
    """Copy into `new` every parameter of `old` whose cell or synapse it has too. Both are recurrent layers.

    Raises WiringError if a parameter that mixes all cells (a backbone) would have to change its shape.
    """
    a, b = _Layer(old), _Layer(new)
    with torch.no_grad():
        for name, spec in b.table.specs.items():
            if name not in a.table.specs:
                continue  # of a kind of synapse that the old wiring has none of
            if isinstance(spec.over, tuple) and any(isinstance(axis, int) for axis in spec.over):
                if a.wiring.cells != b.wiring.cells:
                    raise WiringError(f"{name} mixes all cells, so it carries over to a wiring of the same cells only.")
                getattr(new, spec.stored_as).copy_(getattr(old, spec.stored_as))
            else:
                keys, new_keys = a.table.keys(spec), b.table.keys(spec)
                _copy(getattr(old, spec.stored_as), getattr(new, spec.stored_as), keys, new_keys)
                if spec.constraint == "polarity":
                    _polarize(a, b, spec, keys, new_keys)
        _transfer_lstm(a, b)
        if a.projection is not None and b.projection is not None:
            rows = range(a.projection.out_features)
            _copy(a.projection.weight, b.projection.weight, rows, rows, a.wiring.outputs, b.wiring.outputs)
            b.projection.bias.copy_(a.projection.bias)
    frozen = {plain_name(name) for name, p in old.named_parameters() if not p.requires_grad}
    for name, p in new.named_parameters():
        p.requires_grad_(name not in frozen)


class _Layer:
    """The parts of a layer that `transfer` reads."""

    def __init__(self, layer: Any):
        self.layer = layer
        self.table: Table = layer._table
        self.wiring: Wiring = layer.wiring
        self.lstm: Any = layer.lstm
        self.projection: Any = layer.projection


def _transfer_lstm(old: _Layer, new: _Layer) -> None:
    if old.lstm is None or new.lstm is None:
        return
    rows, new_rows = ([(gate, cell) for gate in range(4) for cell in one.wiring.neurons] for one in (old, new))
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        columns = {"weight_ih": "inputs", "weight_hh": "neurons"}.get(name)
        source, target = getattr(old.lstm, name), getattr(new.lstm, name)
        if columns is None:
            _copy(source, target, rows, new_rows)
        else:
            _copy(source, target, rows, new_rows, getattr(old.wiring, columns), getattr(new.wiring, columns))


def _polarize(
    old: _Layer, new: _Layer, spec: ParamSpec, keys: Sequence[Hashable], new_keys: Sequence[Hashable]
) -> None:
    """Keep a value (of a new sign, its magnitude) where it is free in one wiring and bound to a sign in the other."""
    sign = torch.from_numpy(new.table.sign(spec))
    before, value = sign.clone(), new.layer.values()[spec.name].double().cpu()
    _copy(torch.from_numpy(old.table.sign(spec)), before, keys, new_keys)
    _copy(old.layer.values()[spec.name].double().cpu(), value, keys, new_keys)
    stored = new.table.to_stored(spec, torch.where(sign == 0, value, sign * value.abs()))
    target = getattr(new.layer, spec.stored_as)
    turned = ((before == 0) != (sign == 0)).to(target.device)
    target[turned] = stored.to(target)[turned]


def _copy(
    source: Tensor,
    target: Tensor,
    old_rows: Sequence[Hashable],
    new_rows: Sequence[Hashable],
    old_columns: Sequence[Hashable] | None = None,
    new_columns: Sequence[Hashable] | None = None,
) -> None:
    rows_from, rows_to = _both(old_rows, new_rows)
    if old_columns is None or new_columns is None:
        target[rows_to] = source[rows_from].to(target)
        return
    columns_from, columns_to = _both(old_columns, new_columns)
    target[rows_to[:, None], columns_to] = source[rows_from[:, None], columns_from].to(target)


def _both(old: Sequence[Hashable], new: Sequence[Hashable]) -> tuple[Tensor, Tensor]:
    """Where the keys that both have stand in each."""
    place = {key: i for i, key in enumerate(old)}
    shared = [(place[key], i) for i, key in enumerate(new) if key in place]
    both = torch.tensor(shared, dtype=torch.long).reshape(-1, 2)
    return both[:, 0], both[:, 1]
