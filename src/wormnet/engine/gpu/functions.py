"""A model's functions as Triton device functions, and those that all kernels share."""

# Triton reads annotations and names as they stand here.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import triton
import triton.language as tl
from triton import knobs

from wormnet.engine.bind import bind
from wormnet.engine.program import Program
from wormnet.errors import BackendError
from wormnet.models.equation import DenseUpdate

__all__ = ["add_product", "functions_of", "part"]


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that kernels call. Triton's interpreter runs kernels as plain Python and calls it as it is.

    Raises: BackendError if the function's source cannot be read, or if Triton would round a constant in it.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except OSError:
        raise BackendError(
            f"{function.__qualname__} has no source to compile for a GPU; define it in a file."
        ) from None
    for node in ast.walk(ast.parse(source)):
        value = ast.literal_eval(node.value) if isinstance(node, ast.Assign) and _is_number(node.value) else 0.0
        if float(np.float32(value)) != value:
            raise BackendError(
                f"{function.__qualname__} sets a variable to {value!r}, which Triton would round to float32; write the "
                "number where it is used, or give it a name outside of the function."
            )
    if knobs.runtime.interpret:
        return function
    # Triton takes numbers of the surrounding scope as constants only if they say so.
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, (int, float)):
            function.__globals__[name] = tl.constexpr(value)
    for cell in function.__closure__ or ():
        if isinstance(cell.cell_contents, (int, float)):
            cell.cell_contents = tl.constexpr(cell.cell_contents)
    return triton.jit(function)


def _is_number(node: ast.expr) -> bool:
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


@part
def exp(x):
    """e^x."""
    return tl.exp(x)


@part
def sigmoid(x):
    """The logistic function; exp may overflow to infinity, and 1 / inf is the 0 that is wanted."""
    return 1.0 / (1.0 + tl.exp(-x))


@part
def tanh(x):
    """The hyperbolic tangent, to an absolute error of the dtype's epsilon; for a large x as in `sigmoid`."""
    return 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)


@part
def absolute(x):
    """|x|."""
    return tl.abs(x)


@part
def where_less(a, b, then, otherwise):
    """Elementwise `then` where a < b, else `otherwise`; constants in the precision of a and b."""
    zero = tl.zeros_like(a + b)
    return tl.where(a < b, then + zero, otherwise + zero)


OWN = {"absolute": absolute, "exp": exp, "sigmoid": sigmoid, "tanh": tanh, "where_less": where_less}


def functions_of(program: Program) -> dict[str, Callable[..., Any]]:
    """All functions of a program for its kernels: node_0, d_node_0, edge_0_1, advance_0_2 ...: of part, kind, stage."""
    found: dict[str, Callable[..., Any]] = {}
    for number, one in enumerate(program.parts):
        update = one.update
        found |= {f"node_{number}": update.node, f"d_node_{number}": update.d_node}
        if isinstance(update, DenseUpdate):
            if update.activation:
                found[f"activation_{number}"] = update.activation
            continue
        for kind, edge in enumerate(update.edges):
            found |= {f"edge_{number}_{kind}": edge.edge, f"d_edge_{number}_{kind}": edge.d_edge}
        for j, stage in enumerate(update.solver.stages if update.solver else ()):
            found |= {f"advance_{number}_{j}": stage.advance, f"d_advance_{number}_{j}": stage.d_advance}
    return {name: bind(function, OWN, part) for name, function in found.items()}


@part
def add_product(
    total,  # (LANES, columns of the tile)
    source,  # (LANES,) where each lane's row begins
    step,  # from one number of a row to the next
    here,  # lanes that are sequences of the batch
    width,
    weight,  # (width, n_columns)
    column,  # those of the tile
    n_columns,
    DEPTH: tl.constexpr,
):
    """Add what the lanes' rows times a weight matrix come to in some columns."""
    is_column = (column < n_columns)[None, :]
    for k0 in range(0, width, DEPTH):
        k = k0 + tl.arange(0, DEPTH)
        sent = tl.load(source[:, None] + (k * step)[None, :], mask=here[:, None] & (k < width)[None, :], other=0.0)
        at = weight + k[:, None] * n_columns + column[None, :]
        w = tl.load(at, mask=(k < width)[:, None] & is_column, other=0.0)
        # Tensor cores would round float32 to ten bits.
        total = tl.dot(sent, w, total, input_precision="ieee", out_dtype=total.dtype)
    return total
