"""Files that appear whole or not at all."""

import os
import secrets
from pathlib import Path

from wormnet.errors import ArgumentError, DataError
from wormnet.paths import checked, printable

__all__ = ["contents", "make_folder", "occupied", "sweep", "write_whole"]

PARTIAL = ".*.part"
"""What is being written, or was when its process was killed."""


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file beside its place, then move it there: a reader, a crash or a full disk never meets half of it.

    A link goes on pointing to its file. Text is written as UTF-8.
    Raises: ArgumentError for what is no path, DataError in one line if it cannot be written or is a pipe or device;
        what stood there before is untouched then.
    """
    path = checked(path)
    try:
        content = content.encode() if isinstance(content, str) else content
        real = Path(os.path.realpath(path))
        if real.exists() and not (real.is_file() or real.is_dir()):
            raise DataError(f"cannot write {printable(path)}: it is a pipe, socket or device; it takes a file.")
        partial = real.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(real)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"cannot write {printable(path)}: {getattr(error, 'strerror', None) or error}.") from None


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder that files will be written into, unless it is there.

    Raises: ArgumentError for what is no path, DataError if it cannot be made.
    """
    path = checked(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write into {printable(path)}: {error.strerror or error}.") from None


def contents(out: Path) -> set[str]:
    """The names in a folder that is to be written into, without those that `sweep` deletes; none if it is to be made.

    Raises: ArgumentError if it is a file.
    """
    if out.exists() and not out.is_dir():
        raise ArgumentError(f"out is {str(out)!r}, which is a file; name a directory.")
    return {path.name for path in out.iterdir() if not path.match(PARTIAL)} if out.exists() else set()


def occupied(out: Path, what: str, work: str = "") -> ArgumentError:
    """The error for a folder that holds something, which nothing is written into.

    Args: what: what is wrong with it, after "which".   work: what is in it that could be gone on with, if anything.
    """
    again = f"resume (--resume) to go on with the {work} in it, or " if work else ""
    return ArgumentError(f"out is {str(out)!r}, which {what}; {again}name another directory.")


def sweep(folder: Path) -> None:
    """Delete what processes that were killed while they wrote left in a folder that nothing writes into now."""
    for partial in folder.glob(PARTIAL):
        partial.unlink(missing_ok=True)
