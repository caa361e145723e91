"""The matrix products of dense parts, inside of the kernels that run along time.

Tiles are sequences x units, or x neurons. A layer is a product of all lanes' inputs with the layer's weights, which
every sample reads again from a cache, since they do not fit into registers. What inputs contribute to the first layer,
and the gradients of weights, are products over whole sequences, computed outside of the kernels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wormnet.engine.gpu.source import BARRIER, Source
from wormnet.engine.program import Part

__all__ = ["backward", "begin", "forward"]


def begin(src: Source, number: int, part: Part) -> None:
    """Names for places and sizes."""
    update: Any = part.update
    depth = len(update.hidden)
    src(f"columns_{number} = n * {len(part.sums)}")
    src("lanes = tl.arange(0, LANES)", "lanes_here = lanes < width", "row_of = block * LANES + lanes")
    first, hidden = ["0"], ["0"]
    for i, one in enumerate(src.program.parts[:number]):
        if one.dense:
            first.append(f"units_{i}" if one.update.hidden else f"columns_{i}")  # pyright: ignore
            hidden.append(f"{len(one.update.hidden)} * units_{i}")  # pyright: ignore[reportAttributeAccessIssue]
    src("sequences = blocks * 0 + batch", f"hidden_{number} = hidden + sequences * time * ({' + '.join(hidden)})")
    if src.name == "forward":
        src(f"drive_{number} = drive + sequences * time * ({' + '.join(first)})")
    elif depth:
        src(f"g_hidden_{number} = g_hidden + sequences * time * ({' + '.join(hidden)})")


def forward(src: Source, number: int, part: Part) -> None:
    """Every layer of a sample; the sums are left in scratch, and the hidden layers' outputs after them."""
    update: Any = part.update
    depth = len(update.hidden)
    src("sample = row_of * time + t", f"outputs = scratch + columns_{number} * LANES")
    for k in range(depth + 1):
        columns = f"units_{number}" if k < depth else f"columns_{number}"
        with _columns(src, columns):
            if k == 0:
                place = f"(drive_{number} + sample * {columns})[:, None] + column[None, :]"
                src(f"total = tl.load({place}, mask=owned, other=0.0)")
                source, step, width = f"before + {part.reads[0]} * n * width + lanes", "width", "n"
            else:
                src(f"bias = tl.load(p + {src.word('bias', number, k)} + column, mask=is_column, other=0.0)")
                src("total = tl.zeros([LANES, COLUMNS], p.dtype.element_ty) + bias[None, :]")
                source, step = f"outputs + {k - 1} * units_{number} * LANES + lanes", "LANES"
                width = f"units_{number}"
            _product(src, source, step, width, f"q + {src.word('forward', number, k)}", columns)
            if k == depth:
                src("tl.store(scratch + column[None, :] * LANES + lanes[:, None], total, mask=owned)")
                continue
            with src.block("if SAVE"):
                src(f"tl.store({_hidden('hidden', number, k, depth)}, total, mask=owned)")
            _activate(src, number, update, "total", ["value", "slope"])
            _drop(src, number, part, k, "value")
            place = f"outputs + ({k} * units_{number} + column)[None, :] * LANES + lanes[:, None]"
            src(f"tl.store({place}, value, mask=owned)")
        if k < depth:
            src(BARRIER)


def backward(src: Source, number: int, part: Part) -> None:
    """From the adjoints of the sums to those of the hidden layers, and of the state that is read."""
    update: Any = part.update
    depth = len(update.hidden)
    src("sample = row_of * time + t")
    for k in range(depth, -1, -1):
        columns = f"units_{number}" if k else "n"
        width = f"units_{number}" if k < depth else f"columns_{number}"
        with _columns(src, columns):
            src("total = tl.zeros([LANES, COLUMNS], p.dtype.element_ty)")
            if k == depth:
                source, step = "received + lanes", "LANES"
            else:
                source, step = f"g_hidden_{number} + (sample * {depth} + {k}) * units_{number}", "1"
            _product(src, source, step, width, f"q + {src.word('backward', number, k)}", columns)
            if k:
                src(f"sums = tl.load({_hidden('hidden', number, k - 1, depth)}, mask=owned, other=0.0)")
                _activate(src, number, update, "sums", ["value", "slope"])
                src("total = total * slope")
                _drop(src, number, part, k - 1, "total")
                src(f"tl.store({_hidden('g_hidden', number, k - 1, depth)}, total, mask=owned)")
            else:
                src(f"to = carried + (s % RING) * each + ({part.reads[0]} * n + column)[None, :] * LANES")
                src("to += lanes[:, None]")
                src("tl.store(to, tl.load(to, mask=owned, other=0.0) + total, mask=owned)")
        if k:
            src(BARRIER)


@contextmanager
def _columns(src: Source, columns: str) -> Iterator[None]:
    """A loop over tiles of sequences x columns."""
    with src.block(f"for k0 in range(0, {columns}, COLUMNS)"):
        src("column = k0 + tl.arange(0, COLUMNS)", f"is_column = column < {columns}")
        src("owned = lanes_here[:, None] & is_column[None, :]")
        yield


def _product(src: Source, source: str, step: str, width: str, weight: str, columns: str) -> None:
    src(f"total = add_product(total, {source}, {step}, lanes_here, {width}, {weight}, column, {columns}, DEPTH)")


def _hidden(what: str, number: int, layer: int, depth: int) -> str:
    return f"({what}_{number} + (sample * {depth} + {layer}) * units_{number})[:, None] + column[None, :]"


def _activate(src: Source, number: int, update: Any, given: str, results: list[str]) -> None:
    if not update.activation:
        src(f"{results[0]} = {given}", f"{results[1]} = tl.zeros([LANES, COLUMNS], p.dtype.element_ty) + 1.0")
        return
    zero = "tl.zeros([LANES, COLUMNS], p.dtype.element_ty)"
    src.call(results, f"activation_{number}", update.activation, [given], zero)


def _drop(src: Source, number: int, part: Part, layer: int, name: str) -> None:
    update: Any = part.update
    if not update.dropout:
        return
    past = sum(len(one.update.hidden) for one in src.program.parts[:number] if getattr(one.update, "dropout", 0.0))  # pyright: ignore
    with src.block("if HAS_DROP"):
        place = f"(drop + ({past + layer} * sequences * time + sample) * units_{number})[:, None] + column[None, :]"
        src(f"{name} = {name} * tl.load({place}, mask=owned, other=0.0)")
