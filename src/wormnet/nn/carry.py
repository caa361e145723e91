"""A trained layer on an edited wiring."""

import re
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wormnet.errors import WiringError
from wormnet.models.spec import ParamSpec
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

if TYPE_CHECKING:
    from wormnet.nn.parameters import Table
    from wormnet.nn.recurrent import Recurrent

__all__ = ["carry"]


def carry(old: "Recurrent", new: "Recurrent") -> None:
    """Copy into `new` every parameter of `old` whose cell or synapse it has too, found by name.

    Raises WiringError if a parameter that mixes all cells (a backbone) would have to change its shape.
    """
    with torch.no_grad():
        for name, spec in new._table.specs.items():
            if name not in old._table.specs:
                continue  # of a kind of synapse that the old wiring has none of
            source, target = getattr(old, spec.stored_as), getattr(new, spec.stored_as)
            if isinstance(spec.over, tuple):
                if old.wiring.cells != new.wiring.cells:
                    raise WiringError(f"{name} mixes all cells, so it carries over to a wiring of the same cells only.")
                target.copy_(source)
            else:
                keys, new_keys = (_keys(layer.wiring, layer._table, spec.over) for layer in (old, new))
                _copy(source, target, keys, new_keys)
                if spec.constraint == "polarity":
                    _polarise(old, new, spec, keys, new_keys)
        if old.lstm is not None and new.lstm is not None:
            rows, new_rows = (
                [(gate, cell) for gate in range(4) for cell in layer.wiring.neurons] for layer in (old, new)
            )
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                columns = {"weight_ih": "inputs", "weight_hh": "neurons"}.get(name)
                source, target = getattr(old.lstm, name), getattr(new.lstm, name)
                if columns is None:
                    _copy(source, target, rows, new_rows)
                else:
                    _copy(source, target, rows, new_rows, getattr(old.wiring, columns), getattr(new.wiring, columns))
        if old.projection is not None and new.projection is not None:
            rows = range(old.projection.out_features)
            _copy(old.projection.weight, new.projection.weight, rows, rows, old.wiring.outputs, new.wiring.outputs)
            new.projection.bias.copy_(old.projection.bias)
    frozen = {_plain(name) for name, p in old.named_parameters() if not p.requires_grad}
    for name, p in new.named_parameters():
        p.requires_grad_(name not in frozen)


def _plain(name: str) -> str:
    """What a parameter was called before torch.nn.utils parametrized or pruned it."""
    return re.sub(r"parametrizations\.(\w+)\.original\d*$", r"\1", name).removesuffix("_orig")


def _polarise(
    old: "Recurrent", new: "Recurrent", spec: ParamSpec, keys: Sequence[Hashable], new_keys: Sequence[Hashable]
) -> None:
    """Keep a value (of a new sign, its magnitude) where it is free in one wiring and bound to a sign in the other."""
    sign = torch.from_numpy(new._table.sign(spec))
    before, value = sign.clone(), new.values()[spec.name].double().cpu()
    _copy(torch.from_numpy(old._table.sign(spec)), before, keys, new_keys)
    _copy(old.values()[spec.name].double().cpu(), value, keys, new_keys)
    magnitude = value.abs().clamp(min=1e-12)  # softplus reaches no zero
    stored = new._table.to_stored(spec, torch.where(sign == 0, value, sign * magnitude), sign)
    target = getattr(new, spec.stored_as)
    turned = ((before == 0) != (sign == 0)).to(target.device)
    target[turned] = stored.to(target)[turned]


def _keys(wiring: Wiring, table: "Table", over: str) -> Sequence[Hashable]:
    """What each value of a parameter belongs to."""
    cells = wiring.cells
    if over in ("neuron", "input", "output"):
        return getattr(wiring, f"{over}s")
    if over == "connection":
        links = table.links
        ends = zip(links.pre.tolist(), (links.post + wiring.n_inputs).tolist(), strict=True)
    else:
        chosen = wiring.of_kind({"chemical": CHEMICAL, "gap": GAP, "current": CURRENT}[over])
        ends = zip(wiring.pre[chosen].tolist(), wiring.post[chosen].tolist(), strict=True)
    pairs = [(cells[pre], cells[post]) for pre, post in ends]
    # A gap junction's two ends are alike, and their order follows from the numbering.
    return [tuple(sorted(pair)) for pair in pairs] if over == "gap" else pairs


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
