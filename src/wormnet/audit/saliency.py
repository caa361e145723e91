"""Where a convolutional head looks: VisualBackProp, as published for neural circuit policies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from wormnet.audit.frozen import frozen
from wormnet.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Saliency", "visual_backprop"]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
TRANSPOSED = {1: nn.functional.conv_transpose1d, 2: nn.functional.conv_transpose2d, 3: nn.functional.conv_transpose3d}


@dataclass(frozen=True, eq=False)
class Saliency:
    """How much of each image a head attends to.

    Args: map: (batch, *space), 0 to 1 within each image; 0 everywhere where nothing stands out. Read-only.

    >>> Saliency(np.eye(2)[None]).map.shape
    (1, 2, 2)
    """

    map: NDArray[np.float64]

    def __post_init__(self):
        object.__setattr__(self, "map", frozen(self.map))

    def plot(self, image: ArrayLike, frame: int = 0, ax: "Axes | None" = None) -> "Axes":
        """Draw the map of a frame over its image; see `wormnet.plot.saliency`."""
        from wormnet import plot

        return plot.saliency(image, self.map[frame], ax=ax)


class _Scale(NamedTuple):
    """A layer that changes the size: in every dimension of space, its window and the size of what it was given."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    size: tuple[int, ...]


def visual_backprop(head: nn.Module, images: Tensor | ArrayLike) -> Saliency:
    r"""The regions of images that the features of all convolutions agree on: VisualBackProp.

        A_k = mean over channels of the features after convolution k = 1 ... n and its activation
        M_n = A_n,   M_k-1 = A_k-1 . up_k(M_k),   map = (up_1(M_1) - min) / (max - min)

    where up_k is the transposed convolution with the window, stride, padding and dilation of convolution k, and all
    weights 1. A pooling layer only scales, likewise. It costs one forward pass and takes no gradient.

    Args:
        head: an nn.Sequential (of others, too) with nn.Conv1d, 2d or 3d, each followed by an activation without
            negative values (ReLU). What changes the shape after the last one (nn.Flatten, a linear layer, a module of
            your own) ends the part that is looked at. It is run in evaluation mode and stays as it is.
        images: (batch, channels, *space), as the head takes them; a tensor or an array.

    Returns: a Saliency with map (batch, *space).
    Raises: ArgumentError for a head without a convolution, with negative features or with convolutions that stand in
        no chain; ShapeError for images of other dimensions.
    Source: Bojarski et al. 2018, ICRA, arXiv 1611.05418; Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652, figure 4.

    >>> head = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 3 * 5, 2))
    >>> visual_backprop(head, torch.rand(6, 1, 7, 11)).map.shape
    (6, 7, 11)
    """
    layers = list(_chain(head))
    places = [i for i, layer in enumerate(layers) if isinstance(layer, CONVOLUTIONS)]
    if not places:
        raise ArgumentError(f"the head is a {type(head).__name__} without nn.Conv1d, 2d or 3d; it takes some to see.")
    convolution: Any = layers[places[0]]
    n = len(convolution.kernel_size)
    z = torch.as_tensor(images).to(convolution.weight)
    if z.dim() != n + 2 or 0 in z.shape:
        raise ShapeError(
            f"images have shape {tuple(z.shape)}; this head takes (batch, channels, "
            f"{', '.join(('depth', 'height', 'width')[-n:])}), none of them 0."
        )
    training = [(module, module.training) for module in head.modules()]
    head.eval()
    try:
        with torch.no_grad():
            steps = _forward(layers, places[-1], z)
    finally:
        for module, flag in training:
            module.training = flag
    return Saliency(_normalised(_backward(steps).cpu().numpy()))


def _chain(module: nn.Module) -> Iterator[nn.Module]:
    """The layers in the order in which they run."""
    if isinstance(module, nn.Sequential):
        for one in module:
            yield from _chain(one)
        return
    if not isinstance(module, CONVOLUTIONS) and any(isinstance(one, CONVOLUTIONS) for one in module.modules()):
        raise ArgumentError(
            f"{type(module).__name__} has convolutions inside, in an order that cannot be seen; pass an nn.Sequential "
            "of its layers."
        )
    yield module


def _forward(layers: list[nn.Module], last: int, z: Tensor) -> list[_Scale | Tensor]:
    """What each layer does to the map on the way in: scales it, or has features (batch, 1, *space) that multiply it."""
    steps: list[_Scale | Tensor] = []
    features: dict[int, Tensor] = {}
    for i, layer in enumerate(layers):
        before, z = z, layer(z)
        if isinstance(layer, CONVOLUTIONS + POOLS):
            steps.append(_scale(layer, tuple(before.shape[2:])))
            if isinstance(layer, CONVOLUTIONS):
                features[len(steps)] = z
        elif not isinstance(z, Tensor) or z.dim() != before.dim() or z.shape[2:] != before.shape[2:]:
            if i < last:
                raise ArgumentError(
                    f"layer {i} of the head, {type(layer).__name__}, does not keep the size {tuple(before.shape[2:])}, "
                    "and convolutions follow it; between them VisualBackProp takes layers that keep it, and pools."
                )
            break
        elif features:
            # An activation belongs to the convolution before it, also where a pool stands between the two.
            del features[max(features)]
            features[len(steps)] = z
    for place, its in sorted(features.items(), reverse=True):
        if float(its.min()) < 0:
            raise ArgumentError(
                f"a convolution of the head has features down to {float(its.min()):.3g} after its activation; "
                "VisualBackProp takes activations that are never negative (nn.ReLU). integrated_gradients takes any."
            )
        steps.insert(place, its.double().mean(1, keepdim=True))
    return steps


def _scale(layer: Any, size: tuple[int, ...]) -> _Scale:
    n = len(size)

    def each(value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, (tuple, list)) else (int(value),) * n

    kernel, dilation = each(layer.kernel_size), each(getattr(layer, "dilation", 1))
    padding = layer.padding
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation))
    return _Scale(kernel, each(layer.stride), each(0 if padding == "valid" else padding), dilation, size)


def _backward(steps: list[_Scale | Tensor]) -> Tensor:
    """(batch, *space) the map at the image, before it is normalised."""
    m: Tensor | None = None
    for step in reversed(steps):
        if isinstance(step, Tensor):
            m = step if m is None else m * step
        elif m is not None:
            m = _up(m, step)
            # Only ratios within an image matter, and products of many layers leave the range of numbers.
            top = m.amax(tuple(range(1, m.dim())), keepdim=True)
            m = m / torch.where(top > 0, top, torch.ones_like(top))
    assert m is not None
    return m[:, 0]


def _up(m: Tensor, scale: _Scale) -> Tensor:
    """Scale a map to the size of what the layer was given: every place gets the sum of the windows that saw it."""
    window = m.new_ones(1, 1, *scale.kernel)
    full = TRANSPOSED[len(scale.size)](m, window, stride=scale.stride, dilation=scale.dilation)
    for axis, (size, padding) in enumerate(zip(scale.size, scale.padding), 2):
        missing = padding + size - full.shape[axis]
        if missing > 0:  # what no window saw
            shape = list(full.shape)
            shape[axis] = missing
            full = torch.cat([full, full.new_zeros(shape)], axis)
        full = full.narrow(axis, padding, size)
    return full


def _normalised(values: NDArray[Any]) -> NDArray[np.float64]:
    """Each image from 0 to 1."""
    axes = tuple(range(1, values.ndim))
    low, high = values.min(axes, keepdims=True), values.max(axes, keepdims=True)
    return (values - low) / np.where(high > low, high - low, 1.0)
