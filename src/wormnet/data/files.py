"""Files as the readers of data sets take them: whole, of bounded size, with one error for whatever is wrong in them."""

import csv
import io
import math
import os
import stat
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from wormnet.errors import ArgumentError, DataError

__all__ = ["LIMIT", "array", "arrays_of", "columns", "content", "float32", "matrix", "parse_numbers", "text"]

LIMIT = 1 << 28
"""Bytes that a file, unpacked, may have; the largest of the data sets has 17 MB."""


def content(path: Any, limit: int = LIMIT) -> bytes:
    """The bytes of a regular file; those of `.gz` unpacked.

    Raises:
        ArgumentError: if `path` is no path.
        DataError: if the file cannot be read, is no regular file, or has more than `limit` bytes.
    """
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise ArgumentError(f"path is {path!r}; it takes the path of a file.")
    path = Path(path)
    try:
        with os.fdopen(_regular(path), "rb") as file:
            raw = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a lone surrogate in the name
        shown = str(path).encode(errors="replace").decode()[:500]
        raise DataError(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if path.suffix == ".gz":
        raw = _unzipped(path, raw, limit)
    if len(raw) > limit:
        raise DataError(f"{path} holds more than {limit >> 20} MB; no file of this kind does.")
    return raw


def _regular(path: Path) -> int:
    """Open without waiting for the other end of a pipe, and refuse what is no file."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(None, "it is no regular file")
    return handle


def _unzipped(path: Path, raw: bytes, limit: int) -> bytes:
    unpacked = b""
    try:
        while raw:  # a gzip file may have several members
            inflate = zlib.decompressobj(wbits=31)
            unpacked += inflate.decompress(raw, limit + 1 - len(unpacked))
            if len(unpacked) > limit:
                break
            if not inflate.eof:
                raise DataError(f"{path} is cut off: its gzip stream has no end.")
            raw = inflate.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise DataError(f"{path} is no gzip file: {error}.") from None
    return unpacked


def text(path: Any, limit: int = LIMIT) -> str:
    """A file of UTF-8, packed by gzip if its name ends so."""
    try:
        return content(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}.") from None


def columns(path: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """Columns of a CSV file by the names of its first row, as text. A row that is longer by one begins with its number.

    Raises:
        DataError: naming the file and the line, if a column or a cell is missing.
    """
    reader = csv.reader(io.StringIO(text(path), newline=""))
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}, line {reader.line_num}.") from None
    if len(rows) < 2:
        raise DataError(f"{path} holds {len(rows)} rows; it takes a row of names, and data.")
    header, rows = rows[0], rows[1:]
    for name in (names := list(names)):
        if header.count(name) != 1:
            raise DataError(f"{path} has {header.count(name)} columns {name!r}; its columns are {_short(header)}.")
    offset = len(rows[0]) - len(header)
    if offset not in (0, 1):
        raise DataError(f"{path}, row 2: {len(rows[0])} cells; there are {len(header)} columns.")
    for i, row in enumerate(rows):
        if len(row) != len(header) + offset:
            raise DataError(f"{path}, row {i + 2}: {len(row)} cells; the rows before have {len(header) + offset}.")
    return {name: [row[header.index(name) + offset] for row in rows] for name in names}


def matrix(path: Path, names: Iterable[str], read: dict[str, list[str]] | None = None) -> NDArray[np.float64]:
    """(rows, names) finite numbers of a CSV file."""
    names = list(names)
    read = columns(path, names) if read is None else read
    return np.column_stack([parse_numbers(read[name], f"{path}, column {name}, row", 2) for name in names])


def parse_numbers(words: list[str], where: str, first: int = 1) -> NDArray[np.float64]:
    """Finite numbers of text. DataError: "`where` 7 ..." for the first that is none, counted from `first`."""
    try:
        found = np.array(words, np.float64)
        if np.isfinite(found).all():
            return found
    except ValueError:
        pass
    for i, word in enumerate(words):
        try:
            bad = not math.isfinite(float(word))
        except ValueError:
            bad = True
        if bad:
            raise DataError(f"{where} {i + first} holds {word[:60]!r}; it takes a finite number.")
    raise DataError(f"{where}s {first} to {first + len(words) - 1} hold something else than numbers.")


def array(path: Path) -> NDArray[Any]:
    """The array of a `.npy` file: numbers only, nothing unpickled, nothing allocated that the file does not hold."""
    return _array(content(path), str(path))


def arrays_of(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Arrays of a `.npz` file by name. Raises DataError for what is none, and for an array that is missing."""
    raw = content(path)
    found, left = {}, LIMIT
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            held = {info.filename.removesuffix(".npy"): info for info in packed.infolist()}
            for name in held if names is None else names:
                if name not in held:
                    raise DataError(f"{path} holds no array {name!r}; its arrays are {_short(held)}.")
                if held[name].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise DataError(f"{path}: array {name[:60]!r} is packed in a way that NumPy does not write.")
                with packed.open(held[name]) as member:
                    inside = member.read(left + 1)
                left -= len(inside)
                if left < 0:
                    raise DataError(f"{path} holds more than {LIMIT >> 20} MB; no file of this kind does.")
                found[name] = _array(inside, f"{path}, array {name[:60]!r}")
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
        OverflowError,
        OSError,
    ) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no npz file, or it is damaged: {str(error)[:200]}.") from None
    return found


def float32(numbers: NDArray[Any], path: Any) -> NDArray[np.float32]:
    """Numbers of a file in float32; DataError if one is not finite there."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = numbers.astype(np.float32)
    if not np.isfinite(found).all():
        raise DataError(f"{path} holds {numbers[~np.isfinite(found)][0]}; it takes numbers that are finite in float32.")
    return found


def _array(raw: bytes, where: str) -> NDArray[Any]:
    stream = io.BytesIO(raw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            version = npy_format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise DataError(f"{where} has version {version} of the npy format; it takes (1, 0) and (2, 0).")
            read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
    except DataError:
        raise
    except Exception as error:  # the header is Python source: its parser has errors of many kinds
        raise DataError(f"{where} is no npy file, or its header is damaged: {str(error)[:200]}.") from None
    if dtype.kind not in "biuf" or dtype.itemsize == 0:
        raise DataError(f"{where} holds {str(dtype)[:60]} values; it takes numbers.")
    size = math.prod(shape) * dtype.itemsize
    rest = memoryview(raw)[stream.tell() :]
    if len(shape) > 8 or min(shape, default=0) < 0 or size != len(rest):
        raise DataError(
            f"{where} is to hold {str(shape)[:60]} numbers of {dtype}, but {len(rest)} bytes follow its header."
        )
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")


def _short(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(name[:40] for name in names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
