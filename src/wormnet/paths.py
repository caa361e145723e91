"""Paths that users give, and the files at them: read whole, by one reader, with one clear error.

Everything that takes the name of a file or folder asks here, so that what is no path, what is no file and what is too
long are told in the same words everywhere.
"""

import os
import stat
from pathlib import Path

from wormnet.errors import ArgumentError, DataError

__all__ = ["checked", "printable", "prove_file", "read_bytes", "read_text"]


def checked(path: object, what: str = "path") -> Path:
    """A path as a Path; ArgumentError for what can name no file: None, bytes, a number, "", NUL, half a character.

    >>> checked("mine/wiring.json").name
    'wiring.json'
    >>> checked(3)
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: path is of type int; it takes the name of a file or folder: text or a pathlib.Path.
    """
    try:
        given = os.fspath(path)  # pyright: ignore[reportArgumentType, reportCallIssue]
    except TypeError:
        given = None
    if not isinstance(given, str):
        raise ArgumentError(
            f"{what} is of type {type(path).__name__}; it takes the name of a file or folder: text or a pathlib.Path."
        )
    if not given:
        raise ArgumentError(f"{what} is empty; it takes the name of a file or folder.")
    try:
        encoded = os.fsencode(given)
    except UnicodeEncodeError:
        raise ArgumentError(f"{what} is {printable(given)}, which holds half a character; no file has it.") from None
    if b"\0" in encoded:
        raise ArgumentError(f"{what} is {printable(given)}, which holds a null byte; no file has it.")
    return Path(given)


def printable(path: str | Path) -> str:
    """A path for a message: as it is, or quoted with escapes if a terminal could not show it, and never very long."""
    text = str(path)
    text = text if len(text) <= 300 else f"{text[:150]}...{text[-147:]}"
    return text if text.isprintable() else repr(text)


def prove_file(path: object) -> Path:
    """The path of a file that can be read now.

    Raises: ArgumentError for what is no path; DataError if nothing is there, if it is a folder, a pipe or a device,
        or if it may not be read.
    """
    path = checked(path)
    os.close(_opened(path))
    return path


def read_bytes(path: object, most: int) -> bytes:
    """What is in a file, of at most `most` bytes.

    Raises: as `prove_file` does; DataError if the file is longer.
    """
    path = checked(path)
    with open(_opened(path), "rb") as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise DataError(f"cannot read {printable(path)}: {error.strerror or error}.") from None
    if len(content) > most:
        raise DataError(f"{printable(path)} is longer than {most:,} bytes, the most that is read.")
    return content


def read_text(path: object, most: int) -> str:
    """The text of a file in UTF-8, of at most `most` bytes, without a byte order mark.

    Raises: as `read_bytes` does; DataError with the line of the first byte that is no UTF-8.
    """
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Python counts from behind the byte order mark, if there is one.
        start = error.start + 3 * content.startswith(b"\xef\xbb\xbf")
        line = content.count(b"\n", 0, start) + 1
        raise DataError(
            f"{printable(checked(path))}, line {line}: byte {start} is not UTF-8; the file takes text in UTF-8."
        ) from None


def _opened(path: Path) -> int:
    """A descriptor of a regular file."""
    try:
        # Without O_NONBLOCK, a pipe that nobody writes into is waited for, for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise DataError(f"there is no file {printable(path)}.") from None
    except OSError as error:
        raise DataError(f"cannot read {printable(path)}: {error.strerror or error}.") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise DataError(f"cannot read {printable(path)}: it is {what}; it takes a file.")
    return descriptor
