"""Where cells stand in a drawing: (wiring, columns of the cells) -> places and radii."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.wiring import atlas
from wormnet.wiring.core import Wiring
from wormnet.wiring.ganglia import ganglion_of

COLUMNS = ("input", "sensory", "inter", "command", "motor", "unknown")
"""The columns of a drawing in the order of the flow: inputs, then roles."""

Layout = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Places (cells, 2) and radii (cells,) of the cells."""


def groups(wiring: Wiring) -> NDArray[Any]:
    """(cells,) the column of each, as text."""
    return np.array(["input"] * wiring.n_inputs + list(wiring.roles), dtype=object)


def columns(wiring: Wiring, group_of: NDArray[Any]) -> Layout:
    """A column for each role in the order of the flow; a crowded one becomes several lanes side by side."""
    sizes = {group: n for group in COLUMNS if (n := int(np.sum(group_of == group)))}
    height, lanes = _lanes(sizes)
    at, radius = np.zeros((len(group_of), 2)), np.zeros(len(group_of))
    gap = 0.28 * height
    width = 2.0 * sum(n - 1 for n in lanes.values()) + gap * (len(sizes) - 1)
    stretch = max(1.0, 1.6 * height / width) if width else 1.0
    x = 0.0
    for group, size in sizes.items():
        members = np.flatnonzero(group_of == group)
        rows = int(np.ceil(size / lanes[group]))
        lane, row = np.divmod(np.arange(size), rows)
        apart = min((height - 1) / max(rows - 1, 1), 0.14 * height) if lanes[group] == 1 else 1.0
        # Every other lane of a crowded column is half a row lower, so that fewer lines run through cells.
        shift = 0.5 * (lane % 2) - 0.25 * (lanes[group] > 1)
        in_lane = np.bincount(lane, minlength=lanes[group])[lane]
        at[members, 0] = (x + 2.0 * lane) * stretch
        at[members, 1] = ((in_lane - 1) / 2 - row - shift) * apart
        radius[members] = min(0.36 * apart, 0.022 * max(height, 8))
        x += 2.0 * (lanes[group] - 1) + gap
    return at, radius


def _lanes(sizes: Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """The rows of the drawing and the lanes side by side of each column, which is one for up to 40 cells."""
    most = max(sizes.values(), default=1)
    height = max(most, 6) if most <= 40 else 16
    while True:
        lanes = {group: int(np.ceil(size / height)) for group, size in sizes.items()}
        if most <= 40 or 2.0 * sum(n - 1 for n in lanes.values()) + 0.28 * height * (len(sizes) - 1) <= 1.6 * height:
            return height, lanes
        height += 1


def classes(wiring: Wiring, group_of: NDArray[Any]) -> Layout:
    """The columns of the roles, in which the cells of a class stand side by side, left before right, VA1 before VA2.

    Cells that the worm does not have go by their names without the number. Nothing in this layout is a place in the
    worm; `body` has the ganglia.
    """
    at, radius = np.zeros((len(group_of), 2)), np.full(len(group_of), 0.34)
    families = family_of(wiring.cells)
    blocks: list[list[list[int]]] = []
    for group in COLUMNS:
        members: dict[str, list[int]] = {}
        for i in np.flatnonzero(group_of == group):
            members.setdefault(families[i], []).append(int(i))
        if members:
            blocks.append([sorted(some, key=lambda i: _by_number(wiring.cells[i])) for some in members.values()])
    height = 6
    while True:
        packed = [_fewest_columns(block, height) for block in blocks]
        if sum(width for width, _ in packed) + 3 * (len(packed) - 1) <= 1.5 * _ROW * height:
            break
        height += 1
    left = 0.0
    for width, rows in packed:
        for number, row in enumerate(rows):
            for i, x in row:
                at[i] = left + x, _ROW * ((len(rows) - 1) / 2 - number)
        left += width + 3
    return at, radius


_ROW = 1.7
"""The distance of two rows of `classes`, in distances of two cells of a class."""


def family_of(names: Iterable[str]) -> list[str]:
    """The class of each cell in the worm, or else its name without the number.

    >>> family_of(["AVAL", "VA01", "inter12", "7"])
    ['AVA', 'VA', 'inter', '7']
    """
    return [atlas.class_of(name) or name.rstrip("0123456789") or name for name in names]


def _by_number(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", name)]


def _fewest_columns(block: list[list[int]], height: int) -> tuple[float, list[list[tuple[int, float]]]]:
    """The narrowest rows, at most `height` of them, that hold some classes; each row is cells and their places."""
    most = max(map(len, block))
    for width in range(min(most, 2), sum(map(len, block)) + len(block) + 1):
        rows = _rows(block, width)
        if len(rows) <= height:
            return max(x for row in rows for _, x in row), rows
    raise AssertionError("a row as long as all classes holds them")


def _rows(block: list[list[int]], width: int) -> list[list[tuple[int, float]]]:
    """Classes set like words in lines of that many cells, with a space between two; a longer one is broken."""
    rows: list[list[tuple[int, float]]] = [[]]
    x = 0.0
    for some in block:
        if rows[-1] and x + len(some) > width:
            rows, x = [*rows, []], 0.0
        for i in some:
            if rows[-1] and x + 1 > width:
                rows, x = [*rows, []], 0.0
            rows[-1].append((i, x))
            x += 1.0
        x += 0.8
    return rows


def circle(wiring: Wiring, group_of: NDArray[Any]) -> Layout:
    """A circle around the origin, clockwise from the top in the order of the flow."""
    n = max(len(group_of), 1)
    order = np.argsort([COLUMNS.index(group) for group in group_of], kind="stable")
    angle = np.empty(len(group_of))
    angle[order] = np.pi / 2 - 2 * np.pi * np.arange(len(group_of)) / n
    ring = max(n / (2 * np.pi), 1.0)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * ring, np.full(len(group_of), min(0.38, 0.08 * ring))


def spring(wiring: Wiring, group_of: NDArray[Any]) -> Layout:
    """Connected cells near each other, by the springs of networkx."""
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(len(group_of)))
    graph.add_edges_from(zip(wiring.pre.tolist(), wiring.post.tolist(), strict=True))
    found = networkx.spring_layout(graph, seed=0, scale=max(np.sqrt(len(group_of)) * 1.2, 1.0))
    at = np.array([found[i] for i in range(len(group_of))]).reshape(-1, 2)
    # Wider than high, as the figure is; and no cell on another.
    at[:, 0] *= 1.5
    return at, np.full(len(at), min(0.3, 0.45 * _closest(at)))


BODY = (
    (9, ("anterior ganglion", "pharynx")),
    (15, ("dorsal ganglion", "lateral ganglion", "ventral ganglion")),
    (4, ("retrovesicular ganglion",)),
    (11, ("ventral cord",)),
    (4, ("preanal ganglion",)),
    (9, ("dorsorectal ganglion", "lumbar ganglion")),
)
"""The worm from head to tail in slices: how many cells wide, and the parts of the body in it, the dorsal one first."""

THIRDS = ("anterior body", "middle of the body", "posterior body")
"""What lies above the cord."""

CORD = ("AS", "DA", "DB", "DD", "VA", "VB", "VC", "VD")
"""The classes of motor neurons that have a row each along the ventral cord."""


def body(wiring: Wiring, group_of: NDArray[Any]) -> Layout:
    """The worm from the side, its head to the left: ganglia as blocks, the ventral cord below in the order of numbers.

    A block stands where its ganglion comes on the way from head to tail, dorsal ones above; within a block cells stand
    by class, and along the cord in even steps. So this is an order and no map: no bundled table has any. Inputs stand
    in front of the head, and cells that the worm does not have behind its tail.
    """
    at, radius = np.zeros((len(group_of), 2)), np.full(len(group_of), 0.34)
    families, where = family_of(wiring.cells), [ganglion_of(name) for name in wiring.cells]
    cord = [family in CORD and place is not None for family, place in zip(families, where)]
    parts: dict[str, list[int]] = {}
    for i, place in enumerate(where):
        if not cord[i]:
            parts.setdefault(place or ("outside" if group_of[i] == "input" else "elsewhere"), []).append(i)

    def put(names: Iterable[str], left: float, width: int) -> float:
        """Set blocks below each other from the top; gives where they end on the right."""
        top, right = 0.0, left
        for name in names:
            if name not in parts:
                continue
            for row in _rows(_by_family(parts[name], families, wiring), width):
                for i, x in row:
                    at[i] = left + x, top
                    right = max(right, left + x)
                top -= _ROW
            top -= _ROW
        return right

    ends = [(_square(parts, name), (name,)) for name in ("outside", "elsewhere")]
    left = 0.0
    for width, names in (ends[0], *BODY, ends[1]):
        right = put(names, left, width)
        in_cord = [i for i in range(len(at)) if cord[i] and where[i] == names[0]]
        if names == ("ventral cord",):
            for k, third in enumerate(THIRDS):
                right = max(right, put((third,), left + k * (width + 1) / 3, width // 3))
        for row in _by_family(in_cord, families, wiring):
            for k, i in enumerate(row):
                at[i] = left + (k + 0.5) * (width - 1) / len(row), _CORD_TOP - _ROW * CORD.index(families[i])
        if in_cord or any(name in parts for name in (*names, *THIRDS * (names == ("ventral cord",)))):
            left = max(right, left + (width - 1) * bool(in_cord)) + 3
    return at, radius


_CORD_TOP = -8 * 1.7
"""Where the first row of the cord is: below the blocks of the ganglia at its ends, which have five rows at most."""


def _square(parts: Mapping[str, list[int]], name: str) -> int:
    return max(3, int(np.ceil(1.6 * np.sqrt(len(parts.get(name, ()))))))


def _by_family(cells: Iterable[int], families: list[str], wiring: Wiring) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for i in cells:
        found.setdefault(families[i], []).append(i)
    return [sorted(some, key=lambda i: _by_number(wiring.cells[i])) for some in found.values()]


LAYOUTS: dict[str, Callable[[Wiring, NDArray[Any]], Layout]] = {
    "columns": columns,
    "classes": classes,
    "body": body,
    "circle": circle,
    "spring": spring,
}
"""The layouts by name."""


def _closest(at: NDArray[np.float64]) -> float:
    """The distance of the two places nearest to each other."""
    least = 1.0
    for i in range(0, len(at), 200):
        gaps = np.hypot(*(at[i : i + 200, None] - at[None]).transpose(2, 0, 1))
        least = min(least, float(gaps[gaps > 1e-9].min(initial=1.0)))
    return least
