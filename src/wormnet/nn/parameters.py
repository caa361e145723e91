"""Parameters as a model's SPEC says: how they are drawn, stored and read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.errors import ArgumentError, ShapeError, WiringError, unknown
from wormnet.models.spec import ParamSpec, connections, shape_of
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, KINDS, Wiring

__all__ = ["Table", "remember_wiring"]


class Table:
    """The parameters of one model on one wiring: shapes, signs, and the maps between stored and true values."""

    def __init__(self, specs: tuple[ParamSpec, ...], wiring: Wiring, *, own: bool):
        links = connections(wiring, own=own)
        self.specs = {spec.name: spec for spec in specs}
        self.shapes = {spec.name: shape_of(spec, wiring, len(links.post)) for spec in specs}
        self.links = links
        # For every parameter that belongs to synapses, the synapse of each value; -1 where there is none.
        self.synapse: dict[str, NDArray[np.int64]] = {
            word: wiring.of_kind(kind) for word, kind in zip(KINDS, (CHEMICAL, GAP, CURRENT), strict=True)
        }
        self.synapse["connection"] = links.synapse
        self._wiring = wiring

    def sign(self, spec: ParamSpec) -> NDArray[np.float64]:
        """The sign of each value's synapse, 0 where it is to be learned."""
        return self._of_synapses(spec, self._wiring.sign.astype(np.float64), 0.0)

    def draw(self, spec: ParamSpec) -> Tensor:
        """A start, stored form, float64, from torch's global generator."""
        shape = self.shapes[spec.name]
        # from_numpy and an explicit device: a default device, "meta" for example, is for the parameters alone.
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
        return self.to_stored(spec, value, torch.from_numpy(self.sign(spec)) if spec.constraint == "polarity" else None)

    def to_true(self, spec: ParamSpec, stored: Tensor, sign: Tensor | None) -> Tensor:
        """The value that enters the equation."""
        if spec.constraint == "positive":
            return torch.nn.functional.softplus(stored)
        if spec.constraint == "polarity" and sign is not None:
            return torch.where(sign == 0, stored, sign * torch.nn.functional.softplus(stored))
        return stored

    def to_stored(self, spec: ParamSpec, value: Tensor, sign: Tensor | None) -> Tensor:
        """The unconstrained number behind a value. Raises ArgumentError if no number stands behind it."""
        if not bool(torch.isfinite(value).all()):
            raise ArgumentError(
                f"{spec.name} holds {value[~torch.isfinite(value)][0].item():g}; it takes finite values."
            )
        if spec.constraint is None:
            return value
        sign = torch.ones_like(value) if spec.constraint == "positive" or sign is None else sign.to(value)
        magnitude = torch.where(sign == 0, torch.ones_like(value), sign * value)
        if bool((magnitude <= 0).any()):
            wrong = value[magnitude <= 0][0].item()
            what = "values > 0" if spec.constraint == "positive" else "values with the sign of their synapse"
            raise ArgumentError(f"{spec.name} holds {wrong:g}; it takes {what}.")
        # softplus inverted, without overflow for large magnitudes.
        return torch.where(sign == 0, value, magnitude + torch.log(-torch.expm1(-magnitude)))

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

    def _of_synapses(self, spec: ParamSpec, values: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
        if spec.over not in self.synapse:
            return np.full(self.shapes[spec.name], otherwise)
        synapse = self.synapse[str(spec.over)]
        if not len(values):
            return np.full(len(synapse), otherwise)
        return np.where(synapse < 0, otherwise, values[synapse])


def remember_wiring(module: nn.Module) -> None:
    """Put the wiring's digest among the weights in a state_dict, and refuse weights that belong to another wiring.

    It follows from `module.wiring` and so is no buffer, which moving from the meta device would leave undefined.
    """
    module.register_state_dict_post_hook(_add_digest)
    module.register_load_state_dict_pre_hook(_check_digest)


def _add_digest(module: Any, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    digest = list(bytes.fromhex(module.wiring.digest))
    state_dict[f"{prefix}wiring_digest"] = torch.tensor(digest, dtype=torch.uint8, device="cpu")


def _check_digest(
    module: Any, state_dict: dict[str, Any], prefix: str, _metadata: Any, _strict: bool, missing: list[str], *_: Any
) -> None:
    given = state_dict.pop(f"{prefix}wiring_digest", None)
    if given is None:
        missing.append(f"{prefix}wiring_digest")
    elif bytes(given.tolist()).hex() != module.wiring.digest:
        raise WiringError(
            f"these weights belong to another wiring (digest {bytes(given.tolist()).hex()[:12]}...); this layer's is "
            f"{module.wiring.digest[:12]}... Build the layer on that wiring, or use wormnet.load, which does."
        )
