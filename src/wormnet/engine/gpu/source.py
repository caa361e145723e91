"""Writes the source of a kernel line by line, and makes the kernel."""

import linecache
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from wormnet.engine.gpu.functions import add_product, functions_of
from wormnet.engine.gpu.tables import words_of
from wormnet.engine.program import Program

__all__ = ["BARRIER", "Source", "numbered"]

BARRIER = "tl.debug_barrier()"
"""Between writes of some threads of a program and reads of others."""


NUMBERS = ("batch", "time", "x_width", "n_kept", "n_scratch", "dt_sequence", "dt_sample", "items", "chunk")
"""Arguments of kernels that are whole numbers: code is not compiled again for a 1, or a multiple of 16."""


def numbered(name: str, count: int) -> list[str]:
    """The names name0, name1, ..."""
    return [f"{name}{i}" for i in range(count)]


class Source:
    """The source of one kernel of a program.

    Calling it adds lines; `block` indents those inside of it. Arguments and constants are names with blanks between.
    """

    def __init__(self, program: Program, name: str, arguments: str, constants: str):
        self.program, self.name = program, name
        self.words = words_of(program)
        names = [*arguments.split(), *(f"{one}: tl.constexpr" for one in constants.split())]
        self.lines = [f"def {name}({', '.join(names)}):"]
        self.depth = 1

    def __call__(self, *lines: str) -> None:
        """Add lines."""
        self.lines += ["    " * self.depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indented lines after a head, such as that of a loop."""
        self(f"{head}:")
        self.depth += 1
        yield
        self.depth -= 1

    def word(self, field: str, *key: int) -> str:
        """A word of the header, loaded."""
        return f"tl.load(tables + {self.words[field, *key]})"

    def read(self, *fields: str, key: tuple[int, ...] = ()) -> None:
        """Load words of the header into variables of their names; see `named`."""
        for field in fields:
            self(f"{named(field, *key)} = {self.word(field, *key)}")

    def call(
        self, results: Sequence[str], function: str, plain: Callable[..., Any], arguments: Sequence[str], zero: str
    ) -> None:
        """Call a function of the model, whose results may be plain numbers, and make tiles like `zero` of them all."""
        # Which results are plain numbers does not depend on the arguments, since nothing in a function branches.
        given = plain(*[torch.full((1,), 0.5, dtype=torch.float64) for _ in arguments])
        one = not isinstance(given, tuple)
        self(f"{results[0] if one else ', '.join(results) + ','} = {function}({', '.join(arguments)})")
        for name, value in zip(results, (given,) if one else given, strict=True):
            if not isinstance(value, Tensor):
                self(f"{name} = {zero} + {float(value)!r}")

    def kernel(self) -> Any:
        """The kernel."""
        text = "\n".join(self.lines) + "\n"
        file = f"<{self.name} of {self.program.code}, {len(self.program.states)} states>"
        # Triton reads the source of its kernels; a modification time of None keeps the entry.
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        scope = {"__name__": __name__, "tl": tl, "add_product": add_product}
        scope |= functions_of(self.program)
        exec(compile(text, file, "exec"), scope)
        return triton.jit(scope[self.name], do_not_specialize=NUMBERS)  # pyright: ignore[reportCallIssue]


def named(field: str, *key: int) -> str:
    """The variable of a word of the header."""
    return "_".join([field, *map(str, key)])
