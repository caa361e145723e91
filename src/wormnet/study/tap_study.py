"""The tap experiment as a study: each training of a wiring is a run of a study's store, and what came out one table."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wormnet._version import __version__
from wormnet.errors import WormnetError
from wormnet.models.spec import check_count
from wormnet.paths import checked
from wormnet.study import provenance, schedule, tap_training
from wormnet.study.progress import shown_while
from wormnet.study.schedule import Hands
from wormnet.study.store import Store, identity
from wormnet.study.tap_training import FREEDOMS, HELD_OUT, KINDS, MARGIN, TRAINED
from wormnet.wiring.core import CHEMICAL, Wiring
from wormnet.wiring.tap import Row

__all__ = ["run"]

FORMAT = 1
"""Of a record; another one wherever the same spec would mean something else."""


@dataclass(frozen=True)
class Job:
    """One wiring to be trained from all its starts: what is wanted of it, in full."""

    spec: dict[str, Any]
    data: None = None

    @property
    def id(self) -> str:
        """The name of its record."""
        return identity(self.spec)


def run(
    out: str | os.PathLike[str],
    *,
    dataset: str = "cook2019",
    starts: int = 20,
    nulls: int = 20,
    steps: int = 100,
    seed: int = 0,
    workers: int | None = None,
    resume: bool = False,
    ray: str = "",
    progress: bool = True,
) -> dict[str, Any]:
    """Train the worm's wiring and its nulls, with both freedoms; one that was stopped goes on with resume=True.

    Args:
        out: a directory, new or empty unless `resume`; records lie in it as those of `wormnet.study.run` do.
        starts: of each wiring.   nulls: of each kind.   steps, seed: as of `tap_training.train`; each wiring has its
            own starts.   workers, ray, progress: as of `wormnet.study.run`.

    Returns: settings, environment, and a list of wirings, each with its starts; ready for JSON.
    Raises: ArgumentError as `wormnet.study.run`; WormnetError if a training failed.
    """
    for name, count in (("starts", starts), ("nulls", nulls), ("steps", steps)):
        check_count(name, count, 1)
    out, hands = checked(out, "out"), Hands(schedule.checked_workers(workers), ray)
    settings = {"dataset": dataset, "starts": starts, "nulls": nulls, "steps": steps, "seed": seed, "margin": MARGIN}
    wanted = list(_jobs(settings))
    with shown_while(progress) as bar, schedule.stoppable():
        store = Store(out, bar.tell)
        store.check_free(resume)
        with schedule.opened(store, hands):
            schedule.do(wanted, store, execute, hands, bar, "training")
    records = [store.record(job.id, "tap") or {"error": "its record is damaged"} for job in wanted]
    if failed := [record["error"] for record in records if "error" in record]:
        raise WormnetError(f"{len(failed)} of {len(records)} trainings failed ({failed[0]}); --resume repeats them.")
    worm = next(tap_training.circuit(dataset))
    kept = ("freedom", "kind", "number", "same_synapses", "same_signs", "starts")
    return {
        "settings": {**settings, "parameters": {f: tap_training.n_parameters(worm, f) for f in FREEDOMS}},
        "environment": provenance.environment(hands.workers),
        "seconds": round(sum(record["seconds"] for record in records), 1),
        "trained": _named(TRAINED),
        "held_out": _named(HELD_OUT),
        "wirings": [{key: {**record, "kind": record["network"]}[key] for key in kept} for record in records],
    }


def _jobs(settings: dict[str, Any]) -> Iterator[Job]:
    versions = {"wormnet": __version__, "torch": torch.__version__, "numpy": np.__version__}
    head = {"kind": "tap", "format": FORMAT, **versions, "source": provenance.source(tap_training)}
    head |= {key: settings[key] for key in ("dataset", "starts", "steps", "seed", "margin")}
    for freedom in FREEDOMS:
        for kind in KINDS:
            for number in range(1 if kind == "worm" else settings["nulls"]):
                yield Job({**head, "network": kind, "freedom": freedom, "number": number})


def execute(job: Job, journal: Path | None = None) -> tuple[dict[str, Any], None]:
    """Train one wiring in this process: its record, with each start's margins in mV."""
    spec, began, threads = job.spec, time.perf_counter(), torch.get_num_threads()
    kind, number = spec["network"], spec["number"]
    worm = next(tap_training.circuit(spec["dataset"]))
    *_, wiring = tap_training.circuit(spec["dataset"], kind, number + 1, seed=spec["seed"])
    own = int(np.random.SeedSequence((spec["seed"], KINDS.index(kind), number)).generate_state(1)[0])
    torch.set_num_threads(1)
    try:
        trained = tap_training.train(wiring, spec["freedom"], starts=spec["starts"], steps=spec["steps"], seed=own)
    finally:
        torch.set_num_threads(threads)
    head = {key: spec[key] for key in ("kind", "dataset", "network", "freedom", "number")}
    found = {"starts": _outcomes(wiring, trained), "seconds": time.perf_counter() - began}
    return {"id": job.id, "spec": spec, **head, **_shared(worm, wiring), **found}, None


def _outcomes(wiring: Wiring, trained: tap_training.Trained) -> list[dict[str, Any]]:
    """Of each start whether all trained rows hold by the margin, at which step, and the margins in mV."""
    margins, held = tap_training.judge(wiring, trained.values)
    best = tap_training.judge(wiring, trained.best)[0].min(-1)
    holds = (trained.steps >= 0) & (margins.min(-1) >= MARGIN)
    return [
        {
            "holds": bool(holds[i]),
            "step": int(trained.steps[i]) if holds[i] else None,
            "margins": margins[i].round(2).tolist(),
            "held_out": held[i].round(2).tolist(),
            "best": round(float(best[i]), 2),
        }
        for i in range(len(holds))
    ]


def _shared(worm: Wiring, wiring: Wiring) -> dict[str, float]:
    """What a null has in common with the worm: the share of its synapses, and of their signs where both have one."""
    signs = [
        {(w.cells[a], w.cells[b], int(kind)): int(sign) for a, b, kind, sign in zip(w.pre, w.post, w.kind, w.sign)}
        for w in (worm, wiring)
    ]
    both = signs[0].keys() & signs[1].keys()
    chemical = [key for key in both if key[2] == CHEMICAL]
    same = sum(signs[0][key] == signs[1][key] for key in chemical)
    return {"same_synapses": round(len(both) / len(signs[0]), 3), "same_signs": round(same / len(chemical), 3)}


def _named(rows: tuple[Row, ...]) -> list[dict[str, str]]:
    return [
        {"row": row.name, "removed": ", ".join(row.removed), "worm": row.behaviour, "source": row.source}
        for row in rows
    ]
