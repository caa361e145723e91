"""The directory of a study: the only place that knows where its records, weights and claims lie.

plan.json        the plan                       runs/ID.json               a run, or a search for parameters
study.json       what was run, on what          weights/ID.safetensors     the network of a run, in its best epoch
report.html ...  made from the others           prices/ID.json             what networks cost
trials/ID.log    a search that is not over      claims/ID.claim            who does what, now
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from wormnet.atomic import contents, make_folder, occupied, sweep, write_whole
from wormnet.errors import DataError, shown
from wormnet.paths import printable, read_text
from wormnet.study.claims import Claims

__all__ = ["Store", "Waiting", "Wanted", "identity"]

FOLDERS = ("runs", "prices", "weights", "trials", "claims")

MAX_BYTES = 2**28
"""The longest record that is read."""

_HEAD = {"spec": dict, "dataset": str, "network": str}
_TAKES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "run": {"scores": dict, "valid_scores": dict, "conditions": list, "history": dict, "parameters": (int, float)},
    "tuning": {"best": dict, "trials": list},
    "tap": {"freedom": str, "number": int, "starts": list, "seconds": (int, float)},
    "prices": {"prices": dict},
    "failed": {"error": str, "traceback": str},
}
"""What a record of each kind holds at least; a kind that is not named here holds a spec."""

_ABOUT = ("plan", "reference", "comparisons", "datasets", "environment", "runs", "tuning", "prices")


class Wanted(Protocol):
    """A piece of work as the store sees it."""

    @property
    def spec(self) -> dict[str, Any]:
        """All that determines its result, and the digests of the source that does it."""
        ...

    @property
    def id(self) -> str:
        """The `identity` of the spec."""
        ...


def identity(spec: Mapping[str, Any]) -> str:
    """The name of what a spec determines; the digest of the source in it is not a part of the name.

    So a run of changed source takes the place of the run that it makes invalid.

    >>> identity({"seed": 1, "source": {"wormnet": "0a"}}) == identity({"source": {}, "seed": 1})
    True
    """
    bare = {key: value for key, value in spec.items() if key != "source"}
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Waiting:
    """What is still to be done of a list of work, and why."""

    left: list[Any] = field(default_factory=list)
    reused: int = 0
    outdated: dict[str, int] = field(default_factory=dict)
    """How many of `left` are there, made by other source, by the module whose source it is."""


def _on_stderr(line: str) -> None:
    print(f"wormnet: {line}", file=sys.stderr)


class Store:
    """A study's directory. Files in it appear whole or not at all, and reading one never fails on what it holds.

    Args:
        out: the directory.   tell: is given one line about each record that is damaged.
    """

    def __init__(self, out: Path, tell: Callable[[str], None] = _on_stderr):
        self.out, self.tell = out, tell
        self.claims = Claims(out / "claims")
        self._told: set[str] = set()

    # -- writing -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make the directory, and sweep it."""
        for name in ("", *FOLDERS):
            make_folder(self.out / name)
        self.sweep()

    def sweep(self) -> None:
        """Delete what killed processes left, unless others work here, or one that was killed may seem to."""
        if not self.claims.owners():
            for name in self.claims.abandoned():
                self.claims.forget(name)
            for name in ("", *FOLDERS):
                sweep(self.out / name)

    def check_free(self, resume: bool, shared: Mapping[str, Any] | None = None) -> None:
        """See that the directory can be written into.

        Args: resume: whether to go on with what it holds.   shared: the plan that several processes do in it together.
        Raises: ArgumentError if it is a file, or holds something and is neither to be gone on with nor of that plan, or
            something that no study has left.
        """
        there = contents(self.out)
        # Of other shards, that begin in the same moment, the plan may not be there yet.
        is_ours = shared is not None and (
            there <= set(FOLDERS) or self._content(self.out / "plan.json") == json.loads(json.dumps(shared))
        )
        if there and not there & {*FOLDERS, "plan.json", "study.json"}:
            raise occupied(self.out, f"holds no study, but {shown(min(there))}")
        if there and not resume and not is_ours:
            what = "is not empty" if shared is None else "holds something else than this plan"
            raise occupied(self.out, what, "study")

    def keep(self, record: Mapping[str, Any], weights: bytes | None = None) -> None:
        """Write a record, after the weights that belong to it: where there is a record, all of it is there.

        Raises: DataError if it cannot be written, on a full disk for example; what was there before is untouched.
        """
        if weights is not None:
            write_whole(self.weights(record["id"]), weights)
        write_whole(self._path(record["id"], record["kind"]), json.dumps(record, indent=1))
        if record["kind"] == "tuning" and "error" not in record:
            self.journal(record["id"]).unlink(missing_ok=True)

    def note(self, name: str, content: Mapping[str, Any]) -> None:
        """Write plan.json or study.json."""
        write_whole(self.out / name, json.dumps(content, indent=1))

    # -- reading -------------------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """What was run, and on what. Raises DataError if the directory holds no finished study."""
        found = self._content(self.out / "study.json")
        if found is None or not all(key in found for key in _ABOUT):
            todo = "run one: wormnet study PLAN.toml --out FOLDER, or wormnet.study.run"
            if (self.out / "plan.json").exists():
                todo = f"it was stopped before its end; go on: wormnet study --out {printable(self.out)} --resume"
            raise DataError(f"{str(self.out)!r} holds no finished study (study.json); {todo}.")
        return found

    def record(self, name: str, kind: str = "run") -> dict[str, Any] | None:
        """The record of an id; None if there is none, or a damaged one, which is told once."""
        path = self._path(name, kind)
        found = self._content(path)
        if found is not None and (fault := _fault(found, name)):
            self._tell(path, fault)
            return None
        return found

    def records(self, names: Iterable[str], kind: str = "run") -> list[dict[str, Any]]:
        """The records that are there of those ids, in their order."""
        return [record for name in names if (record := self.record(name, kind)) is not None]

    def weights(self, name: str) -> Path:
        """The file of the weights of a run."""
        return self.out / "weights" / f"{name}.safetensors"

    def journal(self, name: str) -> Path:
        """The file in which a search for parameters notes its trials until it is over."""
        return self.out / "trials" / f"{name}.log"

    def waiting(self, wanted: Sequence[Wanted], keep_old_source: bool = False) -> Waiting:
        """What is to be done of a list of work: what is not there, what failed, and what other source made."""
        left, outdated = [], dict[str, int]()
        for job in wanted:
            record = self.done(job)
            if record is None:
                left.append(job)
                continue
            made, now = record["spec"].get("source", {}), job.spec.get("source", {})
            changed = [name for name in {**now, **made} if now.get(name) != made.get(name)]
            if changed and not keep_old_source:
                left.append(job)
                for name in changed:
                    outdated[name] = outdated.get(name, 0) + 1
        return Waiting(left, len(wanted) - len(left), outdated)

    def done(self, job: Wanted) -> dict[str, Any] | None:
        """The record of a piece of work that did not fail, of whatever source."""
        record = self.record(job.id, job.spec["kind"])
        return None if record is None or "error" in record else record

    def _path(self, name: str, kind: str) -> Path:
        return self.out / ("prices" if kind == "prices" else "runs") / f"{name}.json"

    def _content(self, path: Path) -> dict[str, Any] | None:
        try:
            found = json.loads(read_text(path, MAX_BYTES))
        except (DataError, ValueError, RecursionError) as error:
            if path.exists():
                self._tell(path, str(error) if isinstance(error, DataError) else "it is no JSON")
            return None
        if not isinstance(found, dict):
            self._tell(path, "it is no JSON object")
            return None
        return found

    def _tell(self, path: Path, fault: str) -> None:
        if path.name not in self._told:
            self._told.add(path.name)
            self.tell(f"{printable(path)} is damaged and not used: {fault}")


def _fault(record: dict[str, Any], name: str) -> str:
    """What is wrong with a record; "" if it is one."""
    kind = record.get("kind")
    takes = {"id": str, "kind": str, **_HEAD, **_TAKES.get("failed" if "error" in record else str(kind), {})}
    for key, type_ in takes.items():
        if not isinstance(record.get(key), type_):
            return f"its {key} is missing or no {getattr(type_, '__name__', 'number')}"
    if record["id"] != name or identity(record["spec"]) != name:
        return "its spec is not the one that it is named by"
    if not isinstance(record["spec"].get("source", {}), dict):
        return "its source is no table of digests"
    return ""
