"""The files of a data set: from $WORMNET_DATA, else the cache, else their source; always checked by sha256."""

import errno
import gzip
import hashlib
import http.client
import math
import os
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wormnet._version import __version__
from wormnet.data.about import Files
from wormnet.data.deadline import Deadline
from wormnet.errors import ArgumentError, DataError

__all__ = ["Checked", "cache", "fetch", "verify"]

_TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 16
_TIME_LIMIT = 3600  # seconds for all files of a data set


@dataclass(frozen=True)
class Checked:
    """A file of a data set as it lies on this machine."""

    name: str
    state: Literal["ok", "wrong", "missing"]
    path: Path
    """Where it lies, or would lie."""


class _AgainError(Exception):
    """What may go better at the next attempt."""


def cache() -> Path:
    """The directory that downloads are kept in: $WORMNET_CACHE, else the user's cache directory."""
    import pooch

    return Path(os.environ.get("WORMNET_CACHE") or pooch.os_cache("wormnet")).expanduser()


def fetch(
    files: Files,
    *,
    mirror: str | None = None,
    attempts: int = 4,
    pause: float = 0.5,
    progress: bool | None = None,
    time_limit: float | None = None,
) -> dict[str, Path]:
    """Have all files of a data set on this machine, and tell where.

    A file is taken from $WORMNET_DATA/folder (also as name.gz, or all of them as `files.packed`), else from the cache,
    else downloaded into it. A download goes to a
    part file, continues where an earlier one stopped, and takes its place only when its sha256 is right: the cache
    never holds a bad file under a good name, not even when the process is killed or several fetch at once.

    Args:
        files: what to fetch.
        mirror: take `mirror`/folder/name instead of the source; None: $WORMNET_MIRROR if that is set.
        attempts: how often in a row a download may fail without getting any further.
        pause: seconds before the second attempt, doubled for each further one.
        progress: show a bar on stderr; None: if stderr is a terminal.
        time_limit: seconds that all of it may take, > 0; None: $WORMNET_TIME_LIMIT if that is set, else an hour.

    Returns:
        The path of each file, by name; of `files.packed` alone if $WORMNET_DATA holds that.

    Raises:
        ArgumentError: for a time limit that is none.
        DataError: naming the file or URL, what is wrong with it, and what to do.
    """
    deadline = Deadline(_seconds(time_limit))
    mirror = mirror or os.environ.get("WORMNET_MIRROR")
    base = f"{mirror.rstrip('/')}/{files.folder}" if mirror else files.url
    given = _given(files)
    if files.packed and files.packed[0] in given:
        return given
    paths = {name: given.get(name, cache() / files.folder / name) for name in files.sha256}
    missing = [name for name in paths if name not in given and not _is_good(paths[name], files.sha256[name])]
    if not missing:
        return paths

    from filelock import FileLock, Timeout

    folder = cache() / files.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")  # the system frees it when its holder dies
        lock.acquire(timeout=deadline.left())
    except Timeout:
        raise DataError(f"{folder} is being written by another process, for longer than {deadline}.") from None
    except OSError as error:
        raise _disk_error(error, folder) from None
    try:
        with _bar(sys.stderr.isatty() if progress is None else progress) as start:
            for i, name in enumerate(missing):
                if _is_good(paths[name], files.sha256[name]):  # another process was faster
                    continue
                advance = start(f"{files.folder}/{name} ({i + 1} of {len(missing)})")
                _download(f"{base}/{name}", paths[name], files.sha256[name], attempts, pause, advance, deadline)
    finally:
        lock.release()
    return paths


def verify(files: Files) -> list[Checked]:
    """Compare each file of a data set on this machine with its sha256; downloads nothing.

    What lies in $WORMNET_DATA counts before the cache, as in `fetch`.
    """
    found, offered = [], _offered(files)
    wanted = dict([files.packed]) if files.packed and files.packed[0] in offered else files.sha256
    for name, want in wanted.items():
        path = cache() / files.folder / name
        if name in offered:
            path = offered[name]
        state = "missing" if not path.exists() else "ok" if _is_good(path, want) else "wrong"
        found.append(Checked(name, state, path))
    return found


def _seconds(given: float | None) -> float:
    said = os.environ.get("WORMNET_TIME_LIMIT") if given is None else given
    try:
        seconds = float(said or _TIME_LIMIT)
    except (TypeError, ValueError):
        seconds = math.nan
    if (given is not None and (isinstance(given, bool) or not given)) or not 0 < seconds < math.inf:
        name = "WORMNET_TIME_LIMIT" if given is None else "time_limit"
        raise ArgumentError(f"{name} is {said!r}; it takes a number of seconds > 0.")
    return seconds


def _root() -> Path | None:
    named = os.environ.get("WORMNET_DATA")
    if not named:
        return None
    root = Path(named).expanduser()
    if not root.is_dir():
        raise DataError(f"WORMNET_DATA names {root}, which is no directory; correct it or unset it.")
    return root


def _offered(files: Files) -> dict[str, Path]:
    """What lies in $WORMNET_DATA: the files, some of them as .gz, or the archive alone if a file is not there."""
    root = _root()
    if root is None:
        return {}
    folder, found = root / files.folder, {}
    for name in files.sha256:
        there = next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)
        if there is not None:
            found[name] = there
    if files.packed and len(found) < len(files.sha256) and (folder / files.packed[0]).exists():
        return {files.packed[0]: folder / files.packed[0]}
    return found


def _given(files: Files) -> dict[str, Path]:
    """The files that lie in $WORMNET_DATA. A wrong one is an error: the user put it there on purpose."""
    given = _offered(files)
    known = {**files.sha256, **dict([files.packed] if files.packed else [])}
    for name, path in given.items():
        got = _sha256(path)
        if got != known[name]:
            source = f"{files.url}/{name}" if name in files.sha256 else "the archive made of the source"
            inside = " unpacked" if path.name != name else ""
            raise DataError(f"{path} has sha256 {got}{inside}, but {source} has {known[name]}; replace or remove it.")
    return given


def _sha256(path: Path) -> str:
    """The sha256 of a file; of its content, if it is a .gz that the user offers."""
    import pooch

    try:
        if path.suffix != ".gz":
            return pooch.file_hash(str(path), alg="sha256")
        digest = hashlib.sha256()
        with gzip.open(path) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()
    except (OSError, EOFError, zlib.error) as error:  # gzip's own error is an OSError
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _is_good(path: Path, want: str) -> bool:
    return path.exists() and _sha256(path) == want


def _download(
    url: str,
    path: Path,
    want: str,
    attempts: int,
    pause: float,
    advance: Callable[[int, int], None],
    deadline: Deadline,
):
    """Get `url` into `path`, by way of a part file. The caller holds the lock."""
    part = path.with_name(f".{path.name}.{want[:12]}.part")
    furthest, failed, trouble = _size(part), 0, ""
    while failed < attempts:
        if failed:
            time.sleep(min(pause * 2 ** (failed - 1), deadline.left()))
        if not deadline.left():
            trouble = f"it took longer than {deadline}" + (f"; last, {trouble}" if trouble else "")
            break
        resumed = _size(part) > 0
        try:
            if not (resumed and _sha256(part) == want):  # complete, but its process was killed before the last step
                _get(url, part, advance, deadline)
        except _AgainError as again:
            trouble = str(again)
            size = _size(part)
            failed = 1 if size > furthest else failed + 1
            furthest = max(furthest, size)
            continue
        got = _sha256(part)
        try:
            if got == want:
                part.replace(path)
                return
            if not deadline.left():  # cut off where an answer may also end; what there is of it stays
                raise _failed(url, path, f"it took longer than {deadline}")
            part.unlink()
        except OSError as error:
            raise _disk_error(error, path) from None
        trouble, failed = f"its sha256 is {got} instead of {want}", failed + 1
        if not resumed:  # not the fault of an old part file: the source holds something else
            break
    raise _failed(url, path, trouble)


def _get(url: str, part: Path, advance: Callable[[int, int], None], deadline: Deadline) -> None:
    """One request; what arrives is added to the part file."""
    have = _size(part)
    headers = {"User-Agent": f"wormnet/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url} is no http or https address; for files on this machine set $WORMNET_DATA.")
    with deadline.cutting() as opener:
        try:
            response = opener.open(urllib.request.Request(url, headers=headers), timeout=min(_TIMEOUT, deadline.left()))
        except urllib.error.HTTPError as error:
            with error:
                said = f"the server answers {error.code} {error.reason}"
                if error.code == 416:  # the part file is longer than the file: not ours
                    part.unlink(missing_ok=True)
                if error.code in {408, 416, 429} or error.code >= 500:
                    raise _AgainError(said) from None
                raise _failed(url, part, said) from None
        except (OSError, http.client.HTTPException) as error:
            raise _AgainError(f"no connection ({getattr(error, 'reason', error)})") from None
        except ValueError as error:  # of the address, or of one that the server redirects to
            raise _failed(url, part, f"it is, or leads to, an address that is none ({error})") from None
        with response:
            continued = response.status == 206
            if continued and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                part.unlink(missing_ok=True)
                raise _AgainError("the server sends another range than the one asked for")
            have = have if continued else 0
            length = _length(response.headers.get("Content-Length"))
            _copy(response, part, continued, have, have + length if length else 0, advance)


def _length(said: str | None) -> int:
    """Content-Length as a number; 0 for one that is absent or none, and then the sha256 alone decides."""
    return int(said) if said and said.isascii() and said.isdigit() and len(said) < 16 else 0


def _copy(
    response: http.client.HTTPResponse,
    part: Path,
    continued: bool,
    have: int,
    total: int,
    advance: Callable[[int, int], None],
) -> None:
    try:
        with part.open("ab" if continued else "wb") as file:
            while True:
                try:
                    block = response.read1(_BLOCK)  # what has arrived, however little
                except (OSError, http.client.HTTPException) as error:
                    raise _AgainError(f"cut off after {have} bytes ({error})") from None
                if not block:
                    break
                file.write(block)
                have += len(block)
                advance(have, total)
    except OSError as error:
        raise _disk_error(error, part) from None
    if have < total:
        raise _AgainError(f"cut off after {have} of {total} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _failed(url: str, path: Path, trouble: str) -> DataError:
    return DataError(
        f"{url} could not be had: {printable(trouble)}. Get it another way and put it into the folder "
        f"{path.parent.name} of the directory that $WORMNET_DATA names, or name a mirror in $WORMNET_MIRROR."
    )


def printable(text: str, limit: int = 300) -> str:
    """What a server says, without control characters and not longer than a message may be.

    >>> printable("Not" + chr(27) + "[31m Found")
    'Not?[31m Found'
    """
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[: limit + 1])
    return shown if len(text) <= limit else shown[:limit] + "..."


def _disk_error(error: OSError, path: Path) -> DataError:
    what = "there is no space left" if error.errno == errno.ENOSPC else f"{error.strerror or error}"
    return DataError(f"{path} cannot be written: {what}. Set $WORMNET_CACHE to a directory that can hold it.")


@contextmanager
def _bar(show: bool) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """A bar per file on stderr, gone when done. Gives a function: label -> function(bytes so far, bytes in all)."""
    if not show:
        yield lambda label: lambda have, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def start(label: str) -> Callable[[int, int], None]:
            for old in progress.task_ids:
                progress.remove_task(old)
            task = progress.add_task(label, total=None)
            return lambda have, total: progress.update(task, completed=have, total=total or None)

        yield start
