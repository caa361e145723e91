"""Parameters as a model's SPEC says: how they are drawn, stored and read, and to which cell or synapse each belongs."""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.errors import ArgumentError, ShapeError, WiringError, unknown
from wormnet.models.spec import ParamSpec, connections, shape_of
from wormnet.nn.constraints import SHIFT, stored_from, value_of
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, KINDS, Wiring

__all__ = ["Table", "plain_name", "prove_plain", "remember_wiring"]


class Table:
    """The parameters of one model on one wiring: shapes, signs, keys, and the maps between stored and true values."""

    def __init__(self, specs: tuple[ParamSpec, ...], wiring: Wiring, *, own: bool):
        self.links = connections(wiring, own=own)
        self.specs = {spec.name: spec for spec in specs}
        if len(self.specs) < len(specs):
            raise ArgumentError(f"the parameters are {[spec.name for spec in specs]}; each takes a name of its own.")
        self.shapes = {spec.name: shape_of(spec, wiring, len(self.links.post)) for spec in specs}
        # For every parameter that belongs to synapses, the synapse of each value; -1 where there is none.
        self.synapse: dict[str, NDArray[np.int64]] = {
            word: wiring.of_kind(kind) for word, kind in zip(KINDS, (CHEMICAL, GAP, CURRENT), strict=True)
        }
        self.synapse["connection"] = self.links.synapse
        self._wiring = wiring

    def sign(self, spec: ParamSpec) -> NDArray[np.float64]:
        """The sign of each value's synapse, 0 where it is to be learned."""
        return self._of_synapses(spec, self._wiring.sign.astype(np.float64), 0.0)

    def draw(self, spec: ParamSpec) -> Tensor:
        """A start, as a value of the equation, float64, from torch's global generator."""
        shape = self.shapes[spec.name]
        # from_numpy and an explicit device: a default device, "meta" for example, is meant for the parameters only.
        low, high = (torch.from_numpy(np.broadcast_to(bound, shape).astype(np.float64)) for bound in spec.start)
        value = low + (high - low) * torch.rand(shape, dtype=torch.float64, device="cpu")
        if spec.counted:
            kind = self._of_synapses(spec, self._wiring.kind.astype(np.float64), -1.0)
            count = self._of_synapses(spec, self._wiring.count, 1.0)
            for one in np.unique(kind[kind >= 0]):
                count[kind == one] /= count[kind == one].mean()
            value = value * torch.from_numpy(count)
        if spec.signed:
            sign = torch.from_numpy(self.sign(spec))
            value = value * torch.where(sign == 0, torch.randint(0, 2, shape, device="cpu") * 2.0 - 1.0, sign)
        return value

    def to_stored(self, spec: ParamSpec, value: Tensor) -> Tensor:
        """The stored form of values (float64, on the CPU). Raises ArgumentError for values that are not allowed."""
        return stored_from(spec, value, torch.from_numpy(self.sign(spec)) if spec.constraint == "polarity" else None)

    def to_value(self, spec: ParamSpec, stored: Tensor, sign: Tensor | None) -> Tensor:
        """The value that enters the equation."""
        return value_of(spec, stored, sign)

    def check(self, given: Mapping[str, object]) -> None:
        """Raise unless every name is a parameter and every value has its shape."""
        for name, value in given.items():
            if name not in self.specs:
                raise ArgumentError(unknown("parameter", name, self.specs))
            try:
                shape = tuple(torch.as_tensor(value).shape)
            except (TypeError, ValueError, RuntimeError):
                raise ArgumentError(f"{name} is {value!r}; it takes numbers.") from None
            if shape not in (self.shapes[name], ()):
                raise ShapeError(f"{name} has shape {shape}; it takes {self.shapes[name]}, or one number for all.")

    def keys(self, spec: ParamSpec) -> Sequence[Hashable]:
        """What each value of a parameter belongs to: a cell's name, or those of a synapse's two ends."""
        wiring, cells = self._wiring, self._wiring.cells
        if spec.over in ("neuron", "input", "output"):
            return getattr(wiring, f"{spec.over}s")
        if spec.over == "connection":
            ends = zip(self.links.pre.tolist(), (self.links.post + wiring.n_inputs).tolist(), strict=True)
        else:
            chosen = wiring.of_kind({"chemical": CHEMICAL, "gap": GAP, "current": CURRENT}[str(spec.over)])
            ends = zip(wiring.pre[chosen].tolist(), wiring.post[chosen].tolist(), strict=True)
        pairs = [(cells[pre], cells[post]) for pre, post in ends]
        # A gap junction's two ends are alike, and their order follows from the numbering.
        return [tuple(sorted(pair)) for pair in pairs] if spec.over == "gap" else pairs

    def _of_synapses(self, spec: ParamSpec, values: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
        if spec.over not in self.synapse:
            return np.full(self.shapes[spec.name], otherwise)
        synapse = self.synapse[str(spec.over)]
        if not len(values):
            return np.full(len(synapse), otherwise)
        return np.where(synapse < 0, otherwise, values[synapse])


def plain_name(name: str) -> str:
    """What a parameter was called before torch.nn.utils parametrized or pruned it."""
    return re.sub(r"parametrizations\.(\w+)\.original\d*$", r"\1", name).removesuffix("_orig")


def prove_plain(module: nn.Module) -> None:
    """Raise ArgumentError if a tensor is computed anew in every call, which neither a copy nor a file can keep."""
    for name in module.state_dict():
        if plain_name(name) != name:
            raise ArgumentError(
                f"{plain_name(name)} is computed anew in every call: it is pruned, or parametrized. Make it a "
                "parameter again: torch.nn.utils.prune.remove, or torch.nn.utils.parametrize.remove_parametrizations."
            )


# -- identity in a state_dict ------------------------------------------------------------------------------------------

OLD_KEY = "wiring_digest"
"""Where releases before 0.2 put the wiring's digest: among the weights, where averaging of weights ran into it."""


def remember_wiring(module: nn.Module) -> None:
    """Put the wiring's digest into the metadata of a state_dict, and refuse weights that belong to another wiring.

    Metadata are not entries, so arithmetic over the entries (averages of weights, casts) never sees them; a dict that
    has lost its metadata is loaded by names and shapes only.
    """
    module.register_state_dict_post_hook(_add_digest)
    module.register_load_state_dict_pre_hook(_check_digest)


def _add_digest(module: Any, state_dict: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    metadata["wiring"] = module.wiring.digest


def _check_digest(module: Any, state_dict: dict[str, Any], prefix: str, metadata: dict[str, Any], *_: Any) -> None:
    given = metadata.get("wiring")
    old = state_dict.pop(prefix + OLD_KEY, None)
    if old is not None:
        given = bytes(old.tolist()).hex()
        _renew(module, state_dict, prefix)
    if given is not None and given != module.wiring.digest:
        raise WiringError(
            f"these weights belong to another wiring (digest {given[:12]}...); this layer's is "
            f"{module.wiring.digest[:12]}... Build the layer on that wiring, or use wormnet.load, which does."
        )


def _renew(module: Any, state_dict: dict[str, Any], prefix: str) -> None:
    """Shift what an old release stored without the shift of `constraints`."""
    table = getattr(module, "_table", None)
    if table is None:
        return
    for spec in table.specs.values():
        name = prefix + spec.stored_as
        if spec.constraint not in ("non_negative", "polarity") or name not in state_dict:
            continue
        stored = state_dict[name]
        bound = torch.ones_like(stored, dtype=torch.bool)
        if spec.constraint == "polarity":
            bound = torch.from_numpy(table.sign(spec) != 0).to(stored.device)
        state_dict[name] = torch.where(bound, stored - SHIFT, stored)
