"""The loop over time as one operation, for graphs that other programs run: export only.

`scan` of torch gives wrong gradients for parameters that its body closes over (pytorch issues 184528 and 153679), so
nothing is ever trained through it.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from wormnet.engine.layout import Layout
from wormnet.engine.reference import Reference, States
from wormnet.engine.samples import Samples
from wormnet.errors import BackendError
from wormnet.models.spec import Values

__all__ = ["exporting", "scanned"]


def exporting() -> bool:
    """Whether torch.onnx.export is at work."""
    # If it was never imported, nothing is being exported; importing it to ask takes tens of milliseconds.
    if "torch.onnx" in sys.modules and torch.onnx.is_in_onnx_export():
        return True
    # Where Dynamo traces, as that export does when it has failed without, is_in_onnx_export is taken for False.
    flags: Any = sys.modules.get("torch.onnx._internal.exporter._flags")
    return bool(getattr(flags, "_is_onnx_exporting", False))


@torch.no_grad()
def scanned(
    layout: Layout, coefficients: Values, samples: Samples, states: States, initial: States | None, keep: Tensor | None
) -> tuple[Tensor, States]:
    """What the reference engine computes, with the samples in one `scan`; see `engine.dispatch.Run`.

    Raises: BackendError if a parameter wants a gradient, of which torch would put a part into the graph.
    """
    if any(one.requires_grad for one in coefficients.values()):
        raise BackendError(
            "torch.onnx.export takes no layer whose parameters are to be trained. Call wormnet.export.onnx(rnn, path); "
            "or, for a layer in a larger model, export copy.deepcopy(model).requires_grad_(False), with "
            "dynamic_shapes= for batch and time."
        )
    from torch._higher_order_ops.scan import scan

    run: Callable[..., Any] = scan
    reference = Reference(layout, for_graph=True)
    tables = reference.ready[str(samples.x.device)] = _owned(reference.prepare(samples.x.device))
    p, keep, initial = _owned((layout.unpack(layout.pack(coefficients, tables.places)), keep, initial))
    batch, time, _ = samples.x.shape
    valid, starts = samples.valid(), samples.starts
    given = [samples.x, samples.dt.expand(batch, time)[:, :, None]]
    given += [] if valid is None else [valid[:, :, None]]
    given += [] if starts is None else [starts[:, :, None]]

    def step(carried: list[Tensor], sample: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        before = now = tuple(carried)
        x, dt, *rest = sample
        if starts is not None and initial is not None:
            now = tuple(torch.where(rest[-1], one, other) for one, other in zip(initial, now, strict=True))
        new = reference.step(p, now, x, dt)
        if valid is not None:
            new = tuple(torch.where(rest[0], one, other) for one, other in zip(new, before, strict=True))
        kept = new[0] if keep is None else new[0][:, keep]
        # What is carried on and what is an output may not be one tensor.
        return [one.clone() for one in new], kept.clone()

    begin = [one.clone() for one in states]
    if isinstance(time, int) and time == 1:
        last, kept = step(begin, [one[:, 0] for one in given])
        y = kept[:, None]
    else:
        last, kept = run(step, begin, [one.transpose(0, 1).contiguous() for one in given])
        y = kept.transpose(0, 1)
    return (y if valid is None else torch.where(valid[:, :, None], y, torch.zeros((), dtype=y.dtype))), tuple(last)


def _owned(tensors: Any) -> Any:
    """Copies that belong to the graph: a scan's body takes no two tensors that share memory, and no constants."""
    return tree_map_only(Tensor, torch.clone, tensors)
