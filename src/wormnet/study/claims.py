"""Who does which run: small files by which processes, on one machine or many, share the work in one folder.

A claim saves work and guards nothing. Records are whole and follow from their spec alone, so where two processes do one
run after all, both write the same. So a claim whose owner seems gone is simply taken over.
"""

import functools
import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from wormnet.atomic import make_folder
from wormnet.errors import DataError
from wormnet.paths import printable

__all__ = ["Claims", "Owner"]

BEAT = 20.0
"""Seconds between the signs of life that an owner gives."""
STALE = 300.0
"""Seconds without one after which an owner is taken for gone; also what attributes may lag behind on a network disk."""
UNREADABLE = 5.0
"""Seconds after which a claim that names no owner is stale: its owner was killed as it made it."""


@dataclass(frozen=True)
class Owner:
    """The process that does a run."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}" if self.pid else "a process that just began"

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()


class Claims:
    """The claims in one folder. Names are ids of runs."""

    def __init__(self, folder: Path):
        self.folder = folder.absolute()

    def take(self, name: str) -> Owner | None:
        """Claim a run; None if it is ours now, else its living owner, which may be another thread of this process.

        Raises: DataError if no file can be written.
        """
        path = self._path(name)
        make_folder(self.folder)
        for _ in range(5):
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                found = self.owner(name)
                if found is not None:
                    return found
                path.unlink(missing_ok=True)
                continue
            except OSError as error:
                raise _cannot(path, error) from None
            _sign(descriptor, path)
            _beat()
            return None
        return Owner("", 0, "")

    def release(self, name: str) -> None:
        """Give a run back, done or not."""
        path = self._path(name)
        if path in _held:
            _held.discard(path)
            path.unlink(missing_ok=True)

    def owner(self, name: str) -> Owner | None:
        """The living owner of a run; None if nobody does it, or whoever did has gone."""
        path, age = self._path(name), 0.0
        try:
            age = self._now() - path.stat().st_mtime
            content = json.loads(path.read_bytes())
            owner = Owner(str(content["host"]), int(content["pid"]), str(content["since"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            return Owner("", 0, "") if age < UNREADABLE else None
        # A process that comes back under its old number, as the first one of a container does, is not its own rival.
        is_gone = owner.is_here and (not _lives(owner.pid) or (owner.pid == os.getpid() and path not in _held))
        return None if is_gone or age > STALE else owner

    def owners(self) -> dict[str, Owner]:
        """The living owners of all claims, those of this process too, by name."""
        found = {path.stem: self.owner(path.stem) for path in self.folder.glob("*.claim")}
        return {name: owner for name, owner in found.items() if owner is not None}

    def abandoned(self) -> list[str]:
        """What was claimed by processes that have gone without giving it back."""
        return [path.stem for path in self.folder.glob("*.claim") if self.owner(path.stem) is None]

    def forget(self, name: str) -> None:
        """Remove a claim whose owner has gone."""
        if self.owner(name) is None:
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.claim"

    def _now(self) -> float:
        """The time by the clock of the disk, which may be another machine's."""
        probe = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            probe.touch()
            return probe.stat().st_mtime
        except OSError:
            return time.time()
        finally:
            probe.unlink(missing_ok=True)


_held: set[Path] = set()
"""The claims of this process."""


def _sign(descriptor: int, path: Path) -> None:
    """Say in a new claim whose it is."""
    owner = Owner(socket.gethostname(), os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))
    _held.add(path)  # first: a claim of this process that it does not hold is taken over by its other threads
    try:
        os.write(descriptor, json.dumps(asdict(owner)).encode())
    except BaseException as error:  # Ctrl-C too
        _held.discard(path)
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot(path, error) from None
        raise
    finally:
        os.close(descriptor)


@functools.cache
def _beat() -> None:
    """Give signs of life for all claims of this process, for as long as it lives."""

    def beat() -> None:
        while True:
            time.sleep(BEAT)
            for path in tuple(_held):
                # If it is gone it was taken over; the run goes on, and its record is as good as the other's.
                with suppress(OSError):
                    os.utime(path)

    threading.Thread(target=beat, daemon=True).start()


def _lives(pid: int) -> bool:
    """Whether a process of this machine is there."""
    if os.name == "nt":
        return True  # os.kill would end it there; the missing sign of life has to do
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _cannot(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot write {printable(path)}: {error.strerror or error}.")
