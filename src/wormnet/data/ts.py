"""The `.ts` files of the UCR and UEA archives, as aeon and sktime write them."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.data.files import text
from wormnet.data.sequences import Sequences
from wormnet.data.stamps import stamps, utc
from wormnet.errors import ArgumentError, DataError

__all__ = ["read"]

_FLAGS = {"true": True, "false": False}


class _Head(NamedTuple):
    stamped: bool
    classes: tuple[str, ...] | None
    target: bool


def read(path: str | Path, **options: Any) -> Sequences:
    """Sequences of a `.ts` file (or `.ts.gz`).

    The file has the channels before the time; they are exchanged. Classes keep the names and the order that the file
    declares. A `?` is a missing value. Where samples carry time stamps, channels may have stamps of their own: a value
    that a channel does not have at another channel's time is missing.

    Args:
        path: the file.
        options: missing, indicators; first_dt and, for dates, time_unit, where samples carry time stamps.

    Raises:
        DataError: naming the file, the line and what is wrong with it.
        ArgumentError: for missing values or stamps without the option that says what to do.

    Source: the format is described at https://www.aeon-toolkit.org, "Data Formats", and shown by its own files.

    >>> lines = ["@univariate false", "@classLabel true up down", "@data", "1,2,3:4,5,6:up", "0,0:1,1:down"]
    >>> _ = Path("tiny.ts").write_text(chr(10).join(lines))
    >>> part = read("tiny.ts")
    >>> part
    Sequences(2 sequences x 3 steps x 2 inputs, classify per sequence, lengths 2-3, classes up, down)
    >>> part.x[0, 0]
    array([1., 4.], dtype=float32)
    """
    lines = re.split("\r\n|\r|\n", text(path))
    head, start = _head(path, lines)
    unit = options.pop("time_unit", None)
    if unit is not None and not head.stamped:
        raise ArgumentError(f"time_unit is {unit!r}, but the samples of {path} carry no time stamps; leave it out.")
    xs, ys, times = [], [], []
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.lstrip().startswith(("#", "%")):
            continue
        where = f"{path}, line {number}"
        *channels, label = line.strip().split(":") if not head.stamped else _split(line.strip(), where)
        if not channels:
            raise DataError(f"{where} holds one field; it takes one for each channel, and the label.")
        if xs and len(channels) != xs[0].shape[1]:
            raise DataError(f"{where} has {len(channels)} channels; the lines before have {xs[0].shape[1]}.")
        if head.stamped:
            x, clock = _stamped(channels, where, unit)
            times.append(clock)
        else:
            x = _plain(channels, where)
        xs.append(x)
        ys.append(_label(label.strip(), head, where))
    if not xs:
        raise DataError(f"{path} holds no data past its line @data.")
    y = np.array(ys)[:, None] if head.target else np.array(ys)
    return Sequences.from_list(xs, y, times=times if head.stamped else None, classes=head.classes or (), **options)


def _head(path: Any, lines: list[str]) -> tuple[_Head, int]:
    """What the lines up to @data say, and how many they are."""
    said: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith(("#", "%")):
            continue
        if not words[0].startswith("@"):
            raise DataError(f"{path}, line {number} is {line[:60]!r}; before @data a line begins with @ or #.")
        key = words[0][1:].lower()
        if key == "data":
            return _meaning(path, said), number
        said[key] = words[1:]
    raise DataError(f"{path} has no line @data; it is no .ts file, or cut off.")


def _meaning(path: Any, said: dict[str, list[str]]) -> _Head:
    def flag(key: str) -> bool:
        word = (said.get(key) or ["false"])[0].lower()
        if word not in _FLAGS:
            raise DataError(f"{path}: @{key} is {word[:40]!r}; it takes true or false.")
        return _FLAGS[word]

    target = flag("targetlabel")
    if flag("classlabel") == target:
        raise DataError(
            f"{path} says {'both of' if target else 'neither'} @classLabel true and @targetLabel true; one is needed."
        )
    classes = None if target else tuple(said["classlabel"][1:])
    if classes is not None and len(set(classes)) != len(classes):
        raise DataError(f"{path} names a class twice in @classLabel.")
    return _Head(flag("timestamps"), classes, target)


def _plain(channels: list[str], where: str) -> NDArray[np.float64]:
    """(time, channels) numbers; "?" is NaN."""
    values = [_values(channel.split(",") if channel.strip() else [], where) for channel in channels]
    odd = next((a for a in values if len(a) != len(values[0])), None)
    if odd is not None:
        raise DataError(f"{where} has {len(values[0])} samples in its first channel and {len(odd)} in another.")
    return np.column_stack(values)


def _values(cells: list[str], where: str) -> NDArray[np.float64]:
    words = [cell.strip() for cell in cells]
    try:
        return np.array([np.nan if word in ("?", "NaN", "nan") else float(word) for word in words], np.float64)
    except ValueError as error:
        raise DataError(f"{where}: {str(error)[:100]}; it takes numbers, or ? where one is missing.") from None


def _split(line: str, where: str) -> list[str]:
    """The fields of a line whose samples are (stamp,value): stamps may hold colons."""
    fields, depth, last = [], 0, 0
    for i, sign in enumerate(line):
        depth += (sign == "(") - (sign == ")")
        if sign == ":" and depth == 0:
            fields.append(line[last:i])
            last = i + 1
    if depth:
        raise DataError(f"{where} has brackets that do not close.")
    return [*fields, line[last:]]


def _stamped(channels: list[str], where: str, unit: str | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(time, channels) numbers at the times of all channels together, and those times."""
    clocks, values = [], []
    for channel in channels:
        pairs = [pair.rpartition(",") for pair in channel.strip().removeprefix("(").removesuffix(")").split("),(")]
        pairs = pairs if channel.strip() else []
        clocks.append([stamp.strip() for stamp, _, _ in pairs])
        values.append(_values([value for _, _, value in pairs], where))
    every = [stamp for clock in clocks for stamp in clock]
    try:
        dates = any(not _is_number(stamp) for stamp in every)
        known = utc("times", [datetime.fromisoformat(s) for s in every]) if dates else np.array(every, np.float64)
    except (ValueError, OverflowError) as error:  # also an ArgumentError of utc
        raise DataError(f"{where}: {str(error)[:100]}; a time stamp is a number or a date.") from None
    union, place = np.unique(known, return_inverse=True)
    if (dates and np.isnat(known).any()) or (not dates and not np.isfinite(known).all()):
        raise DataError(f"{where} has a time stamp that is missing.")
    x, done = np.full((len(union), len(channels)), np.nan), 0
    for k, (clock, column) in enumerate(zip(clocks, values)):
        mine = place[done : done + len(clock)]
        done += len(clock)
        if len(np.unique(mine)) != len(clock):
            raise DataError(f"{where} has two samples of one time in channel {k}.")
        x[mine, k] = column
    return x, stamps("times", union, unit) if len(union) else np.zeros(0)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _label(word: str, head: _Head, where: str) -> str | float:
    if head.target:
        try:
            return float(word)
        except ValueError:
            raise DataError(f"{where} ends with {word[:60]!r}; it takes a number to predict.") from None
    if head.classes and word not in head.classes:
        raise DataError(
            f"{where} ends with {word[:60]!r}, which is none of the classes {', '.join(head.classes)[:200]}."
        )
    return word
