"""The published tasks of ordinary neural circuits: what the tap withdrawal circuit feels and does in each.

Source: Hasani, Lechner, Amini, Rus & Grosu 2020, ICML, its supplement and published program.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from wormnet.control.maps import Feels, MotorCell, Moves, Projection, SensoryCell
from wormnet.errors import ArgumentError, unknown
from wormnet.wiring import MotorMap, SensoryMap
from wormnet.wiring.biophysics import MODES

__all__ = ["TASKS", "Task", "task"]


@dataclass(frozen=True)
class Task:
    """An environment, and how a circuit is put into it.

    Attributes:
        environment: its Gymnasium id, or "" if there is none.
        sense, move: maps, as `Policy` takes them.
        observe: which observations the quantities are; None with a projection, which reads all.
        observations: how many numbers an observation has.
        neurons: names of the cells in the order of the published files.
        about: what is to be known of it.
    """

    environment: str
    sense: tuple[Feels, ...]
    move: tuple[Moves, ...]
    observe: tuple[int, ...] | None
    observations: int
    neurons: tuple[str, ...]
    about: str

    @property
    def maps(self) -> dict[str, Any]:
        """What `Policy` takes of it: sense, move, observe, observations, warmup."""
        shared = {"sense": self.sense, "move": self.move, "observe": self.observe}
        return {**shared, "observations": self.observations, "warmup": 1}


CELLS = ("PVD", "PLM", "AVA", "AVD", "PVC", "AVB", "AVM", "ALM", "DVA", "FWD", "REV")


def _pairs(first: float, second: float, action: float, **more: Any) -> dict[str, Any]:
    """Two quantities felt by PLM and AVM, and by ALM and PVD; FWD and REV act."""
    sense = (SensoryMap("PLM", "AVM", -first, first), SensoryMap("ALM", "PVD", -second, second))
    return {"sense": sense, "move": (MotorMap("FWD", "REV", -action, action),), "neurons": CELLS, **more}


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "mountain_car": Task(
            "MountainCarContinuous-v0", observe=(0, 1), observations=2, **_pairs(0.3, 0.02, 1.0),
            about="position and speed; the maps of tw-optimized-new.bnn",
        ),
        "mountain_car_first": Task(
            "MountainCarContinuous-v0", observe=(0, 1), observations=2, **_pairs(1.0, 0.02, 1.0),
            about="the wider map of the position that tw-optimized.bnn was searched with",
        ),
        "mountain_car_rllab": Task(
            "", observe=(0, 1), observations=2, **_pairs(0.8, 1.5, 1.0), about="rllab's mountain car: position, speed"
        ),
        "inverted_pendulum": Task(
            "InvertedPendulum-v5", observe=(1, 0), observations=4, **_pairs(0.12, 1.0, 0.3),
            about="angle and place; published circuits were searched on Roboschool's plant, which is another",
        ),
        "cart_pole_rllab": Task(
            "", observe=(2, 3), observations=4, **_pairs(0.15, 1.0, 1.0), about="rllab's cart-pole, angle and its speed"
        ),
        "half_cheetah": Task(
            "HalfCheetah-v5",
            (Projection(17), SensoryMap("PLM", "AVM", -1.0, 1.0), SensoryMap("ALM", "PVD", -1.0, 1.0)),
            (MotorCell("FWD", 0.0, 1.0), MotorCell("REV", 0.0, 1.0), Projection(6)),
            None, 17, CELLS,
            "two learned quantities and six actions of two motor neurons; in the published program the second quantity "
            "is observation 1 itself",
        ),
        "parking": Task(
            "", tuple(SensoryCell(cell, 0.0, 1.0) for cell in ("PVD", "PLM", "AVM", "ALM")),
            (MotorCell("SPEED", 0.0, 1.0), MotorMap("FWD", "REV", -1.0, 1.0)),
            (0, 1, 2, 3), 4, (*CELLS, "SPEED"),
            "x, y, start signal, angle; speed and turning",
        ),
    }
)  # fmt: skip
"""The published tasks by name. Their maps are in the mode "paper"; `task(name, mode="code")` gives the program's."""


def task(name: str, mode: str = "paper") -> Task:
    """A published task by its name, or by the id of its environment.

    Args: mode: "paper" or "code", for all of its maps.
    Raises: ArgumentError for another name or mode.

    >>> task("MountainCarContinuous-v0").sense[0].high
    0.3
    """
    if not isinstance(mode, str) or mode not in MODES:
        raise ArgumentError(unknown("mode", mode, MODES))
    by_id = {one.environment: key for key, one in reversed(list(TASKS.items())) if one.environment}
    key = by_id.get(name, name) if isinstance(name, str) else name
    if not isinstance(key, str) or key not in TASKS:
        raise ArgumentError(unknown("task", name, [*TASKS, *by_id]))
    found = TASKS[key]

    def moded(maps: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(one if isinstance(one, Projection) else replace(one, mode=mode) for one in maps)

    return replace(found, sense=moded(found.sense), move=moded(found.move))
