"""What a call of the kernels is made of, and the arguments that they share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from wormnet.engine.gpu import sequence, tables, timewise
from wormnet.engine.gpu.tables import words_of
from wormnet.engine.program import Program, program_named

__all__ = [
    "Call",
    "History",
    "arguments",
    "call_of",
    "cdiv",
    "kernel",
    "n_starts",
    "sizes_of",
    "tile_size",
    "unblocked",
    "views",
    "warps",
]

# Not measured on a card yet: chosen from hardware widths only.
TILE = 1024
"""Most numbers in a tile: four for each of 256 threads."""
PROGRAMS = 512
"""About how many programs share a sum over time."""
MOST_LANES = 16
"""Most sequences of a program."""
COLUMNS = 128
"""Most neurons or units of a tile of a matrix product."""
DEPTH_BYTES = 128
"""How much of each row a matrix product takes at once."""


@dataclass(frozen=True)
class Call:
    """A call, or one span of it."""

    program: Program
    p: Tensor
    q: Tensor
    """parts of p in the kernels' order: the rows' coefficients, and transposed weights"""
    tables: Tensor
    sizes: Sequence[int]
    x: Tensor
    dt: Tensor
    lengths: Tensor | None
    starts: Tensor | None
    initial: Tensor | None
    drop: Tensor | None
    column_of: Tensor
    n_kept: int
    lanes: int

    def word(self, field: str, *key: int) -> int:
        """A word of the tables' header."""
        return self.sizes[words_of(self.program)[field, *key]]

    @property
    def n(self) -> int:
        """Neurons."""
        return self.word("n_neurons")

    @property
    def blocks(self) -> int:
        """Programs that run along time."""
        return cdiv(self.x.shape[0], self.lanes)

    @property
    def shape(self) -> tuple[int, int]:
        """Batch and time."""
        return self.x.shape[0], self.x.shape[1]

    def evaluations(self, number: int) -> int:
        """Of a part in a sample."""
        return self.program.parts[number].unfolds * self.program.parts[number].stages

    def span(self, begin: int, end: int) -> "Call":
        """Samples begin to end - 1."""
        if (begin, end) == (0, self.x.shape[1]):
            return self
        some = slice(begin, end)
        lengths = None if self.lengths is None else (self.lengths - begin).clamp(0, end - begin)
        starts = None if self.starts is None else self.starts[:, some].contiguous()
        drop = None if self.drop is None else self.drop[:, :, some].contiguous()
        x, dt = self.x[:, some].contiguous(), self.dt[:, some]
        return replace(self, x=x, dt=dt, lengths=lengths, starts=starts, drop=drop)


@dataclass(frozen=True)
class History:
    """What a forward pass keeps."""

    states: Tensor
    keeps: Tensor
    hidden: Tensor


def call_of(
    p: Tensor, tables: Tensor, sizes: Sequence[int], x: Tensor, dt: Tensor, lengths: Tensor | None,
    starts: Tensor | None, initial: Tensor | None, drop: Tensor | None, keep: Tensor, name: str,
) -> Call:  # fmt: skip
    """A call, from what the operator is given."""
    program, p = program_named(name), p.contiguous()
    words = words_of(program)
    begin, count, n = (sizes[words[(field,)]] for field in ("gather", "n_gather", "n_neurons"))
    q = torch.cat([p, p.new_zeros(1)]).index_select(0, tables[begin : begin + count])
    column_of = torch.full((n,), -1, dtype=torch.int32, device=p.device)
    column_of[keep] = torch.arange(len(keep), dtype=torch.int32, device=p.device)
    return Call(
        program,
        p,
        q,
        tables,
        sizes,
        x.contiguous(),
        dt,
        None if lengths is None else lengths.int().contiguous(),
        None if starts is None else starts.to(torch.uint8).contiguous(),
        None if initial is None else initial.contiguous(),
        None if drop is None else drop.contiguous(),
        column_of,
        len(keep),
        lanes_of(program, x.shape[0], p.device),
    )


def arguments(call: Call, side: str) -> dict[str, Any]:
    """What both kernels that run along time take."""
    batch, time = call.shape
    most_rows, scratch, columns = 1, 1, 1
    for k, part in enumerate(call.program.parts):
        update: Any = part.update
        if part.dense:
            scratch = max(scratch, (len(update.sums) * call.n + len(update.hidden) * update.units) * call.lanes)
            columns = max(columns, len(update.sums) * call.n, update.units if update.hidden else 1)
            continue
        rows = [call.word(f"{side}_rows", k, kind) for kind in range(len(update.edges))]
        most_rows = max(most_rows, *rows, 1)
        added = [len(edge.adds) if side == "post" else 1 for edge in update.edges]
        scratch = max(scratch, sum(a * b for a, b in zip(rows, added, strict=True)) * call.lanes)
    tile = tile_size(max(most_rows, call.n), call.lanes)
    columns = min(max(16, 1 << (columns - 1).bit_length()), COLUMNS)
    has_products = any(part.dense for part in call.program.parts)
    return {
        "scratch": call.p.new_empty(call.blocks * scratch),
        "p": call.p,
        "q": call.q,
        "tables": call.tables,
        "dt": call.dt,
        "lengths": call.column_of if call.lengths is None else call.lengths,
        "starts": call.column_of if call.starts is None else call.starts,
        "initial": call.p if call.initial is None else call.initial,
        "drop": call.p if call.drop is None else call.drop,
        "column_of": call.column_of,
        "batch": batch,
        "time": time,
        "n_kept": call.n_kept,
        "n_scratch": scratch,
        "dt_sequence": call.dt.stride(0),
        "dt_sample": call.dt.stride(1),
        "LANES": call.lanes,
        "ROW": tables.ROW,
        "TILE": tile,
        "COLUMNS": columns,
        "DEPTH": DEPTH_BYTES // call.p.element_size(),
        "WHOLE": batch % call.lanes == 0,
        "HAS_LENGTHS": call.lengths is not None,
        "HAS_STARTS": call.starts is not None,
        "HAS_INITIAL": call.initial is not None,
        "HAS_DROP": call.drop is not None,
        "num_warps": warps(max(tile, call.lanes * columns if has_products else 1)),
    }


def sizes_of(program: Program, n: int, batch: int, time: int, *, starts: bool) -> tuple[int, int, int]:
    """How many numbers each tensor of a history has."""
    keeps = sum(part.unfolds * sum(part.kept) for part in program.parts)
    units = sum(len(getattr(part.update, "hidden", ())) * getattr(part.update, "units", 0) for part in program.parts)
    slots = time * program.rows + 1 + starts
    return batch * slots * len(program.states) * n, batch * time * keeps * n, batch * time * units


def views(call: Call, saved: Tensor) -> History:
    """A history in what was saved."""
    return History(*saved.split(sizes_of(call.program, call.n, *call.shape, starts=call.starts is not None)))


def n_starts(part: Any) -> int:
    """How many of a part's coefficients of neurons its sums start with."""
    return 0 if part.dense else len(part.sums)


def by_sequence(call: Call, flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(batch, *shape) from blocks of whole sequences, which hold (*shape, width)."""
    batch, lanes = call.x.shape[0], call.lanes
    whole = batch // lanes * lanes
    parts = flat.split([flat.numel() // batch * whole, flat.numel() // batch * (batch - whole)])
    sized = [(parts[0], whole // lanes, lanes), (parts[1], 1, batch - whole)]
    found = [one.view(count, *shape, width).movedim(-1, 1).flatten(0, 1) for one, count, width in sized if len(one)]
    return torch.cat(found)


def unblocked(values: Tensor, batch: int) -> Tensor:
    """(blocks, time, rows, lanes) -> (batch, time, rows)"""
    return values.movedim(3, 1).flatten(0, 1)[:batch]


def lanes_of(program: Program, batch: int, device: torch.device) -> int:
    """As few sequences per program as keep all programs resident: time is sequential, only the batch is parallel.

    Two programs run on each multiprocessor; of those with matrix products one, which reads all weights for every
    sample, so that no fewer than four sequences share them.
    """
    lanes, programs = (4, 1) if any(part.dense for part in program.parts) else (1, 2)
    programs *= torch.cuda.get_device_properties(device).multi_processor_count
    while lanes < MOST_LANES and batch > lanes * programs:
        lanes *= 2
    return lanes


WRITERS: dict[str, Callable[..., Any]] = {
    "forward": sequence.forward_source,
    "backward": sequence.backward_source,
    "from_inputs": timewise.from_inputs_source,
    "to_inputs": timewise.to_inputs_source,
    "edge_sums": timewise.edge_sums_source,
}
_KERNELS: dict[tuple[Any, ...], Any] = {}


def kernel(program: Program, name: str, *key: int) -> Any:
    """A kernel of a program, or of its part, or kind of edges; programs with the same code share it."""
    known = program.code, len(program.states), name, *key
    if known not in _KERNELS:
        _KERNELS[known] = WRITERS[name](program, *key).kernel()
    return _KERNELS[known]


def cdiv(n: int, size: int) -> int:
    """How many parts of a size n numbers make."""
    return -(-n // size)


def tile_size(n: int, lanes: int) -> int:
    """Numbers in a tile of n rows, neurons or edges x lanes: a power of two."""
    return min(lanes << max(n - 1, 0).bit_length(), TILE)


def warps(numbers: int) -> int:
    """One thread for a number of the tile, within 32 to 256."""
    return min(8, max(1, numbers // 32))
