"""A circuit or a layer as a policy: observations in, actions out, its potentials kept in between."""

import copy
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.control import policy_files
from wormnet.control.maps import FEELS, MOVES, Feels, Motors, Moves, Projection, Senses, listed
from wormnet.control.parameters import numbers_of, proved
from wormnet.control.population import Population, Runner, observed
from wormnet.control.tasks import Task
from wormnet.errors import ArgumentError, DataError, shown
from wormnet.export.ends import Ends
from wormnet.models.spec import check_count
from wormnet.nn.parameters import prove_plain
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked, printable
from wormnet.wiring.biophysics import Biophysical
from wormnet.wiring.bnn import read_bnn

__all__ = ["Policy"]

MOST_STEPS = 10**6
"""Of a warm-up, and of a circuit in an action: a file that claims many more would be run without end."""


class Policy:
    """A network between observations and actions, on the engine's stepper, without torch in a step.

    Args:
        network: an ordinary neural circuit (`Biophysical`, as `read_bnn` gives), or a layer (`Recurrent`), whose
            potential 0 is a cell at rest and 1 one that feels all it can.
        sense: maps onto inputs, one for each quantity in order, after a `Projection` if there is one:
            `SensoryMap` (a pair of cells), `SensoryCell` (one), `Standardised` (one, in deviations from a mean). None
            feeds each input an observation as it is.
        move: maps of outputs, one for each number of an action in order, before a `Projection` if there is one:
            `MotorMap`, `MotorCell`. None gives the outputs as they are. Last may come `Within`, the bounds of the
            numbers, or `Choice`, which makes the action that whose number is largest.
        observe: which observations the quantities are; None for all, in order.
        observations: how many numbers an observation has, where `observe` leaves some out; None for any.
        dt: what one action lasts: seconds of a circuit, 0.1 as published, or a layer's dt, one `time_unit`.
        steps: of a circuit in that time, 10 as published; a layer has its own.
        warmup: how many steps a network takes with its first observation before it acts; 1 as published.

    It pickles and copies; a copy starts over. One policy is not for two threads at once.
    Raises: ArgumentError for maps that do not fit the network.
    Source: Hasani, Lechner, Amini, Rus & Grosu 2020, ICML, supplement equation 6 and section 4.

    >>> from wormnet.control import task
    >>> from wormnet.wiring import tap
    >>> policy = Policy(tap.tw_pure(), **task("inverted_pendulum").maps)
    >>> policy.act([0.0, 0.0, 0.0, 0.0]).round(3), policy.act([1.0, -0.12, 0.0, 0.0]).round(3)
    (array([-0.011]), array([-0.086]))
    """

    def __init__(
        self,
        network: Biophysical | Recurrent,
        sense: Iterable[Feels] | None = None,
        move: Iterable[Moves] | None = None,
        *,
        observe: Sequence[int] | None = None,
        observations: int | None = None,
        dt: float | None = None,
        steps: int = 10,
        warmup: int = 0,
    ):
        circuit = isinstance(network, Biophysical)
        if not circuit and not isinstance(network, Recurrent):
            raise ArgumentError(f"network is {shown(network)}; it takes a circuit, as read_bnn gives, or a layer.")
        for name, n, least in (("steps", steps, 1), ("warmup", warmup, 0)):
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not least <= n <= MOST_STEPS:
                most = "" if isinstance(n, int) and n < least else f", {MOST_STEPS:,} at most"
                raise ArgumentError(f"{name} is {shown(n)}; it takes {least} or more{most}.")
        if isinstance(network, Recurrent):
            prove_plain(network)
            dt = network.time_unit if dt is None else dt
        dt = 0.1 if dt is None else dt
        if isinstance(dt, bool) or not isinstance(dt, (int, float, np.number)) or not 0 < dt < np.inf:
            raise ArgumentError(f"dt is {shown(dt)}; it takes what one action lasts, a number > 0.")
        if observe is not None and (isinstance(observe, str) or not isinstance(observe, Iterable)):
            raise ArgumentError(f"observe is {shown(observe)}; it takes a list of places of an observation.")
        if observations is not None:
            check_count("observations", observations, 1)
        self.network = network if circuit else copy.deepcopy(network)
        self.sense = None if sense is None else tuple(listed("sense", sense, FEELS))
        self.move = None if move is None else tuple(listed("move", move, MOVES))
        self.observe = None if observe is None else tuple(observe)
        self.observations, self.dt, self.steps, self.warmup = observations, float(dt), int(steps), int(warmup)
        wiring = network.wiring
        held = network.held if isinstance(network, Biophysical) else {}
        outputs = wiring.n_outputs if isinstance(network, Biophysical) else network.n_outputs
        senses = Senses.of(wiring, self.sense, self.observe, observations, held)
        motors = Motors.of(wiring, self.move, outputs)
        self.numbers = numbers_of(network, senses, motors, self.dt, self.steps)
        self._theta = self.numbers.start()
        self._runner: Runner | None = None
        self._crowd: Population | None = None
        self._alone = True

    @classmethod
    def from_bnn(
        cls,
        path: str | os.PathLike[str],
        task: str | Task = "mountain_car",
        *,
        mode: str = "code",
        neurons: Sequence[str] | None = None,
    ) -> "Policy":
        """A published circuit, `.bnn`, as a policy in its task.

        Args:
            path: the file. Where the task has projections they are `w_in` and `w_out` of the `.npz` file beside it.
            task: a name of `TASKS`, the id of its environment, or a `Task`.
            mode: "code" as the published program computed, with which all published circuits were trained, or "paper".
            neurons: names of the cells in the file's order; None for that of the published files.

        Raises: what `read_bnn` raises; DataError without an `.npz` that a task needs; ArgumentError for another task.
        """
        from wormnet.control import tasks

        found = task if isinstance(task, Task) else tasks.task(task, mode)
        inputs = [name for one in found.sense for name in _cells(one)]
        outputs = [name for one in found.move for name in _cells(one)]
        circuit = read_bnn(
            path, names=found.neurons if neurons is None else neurons, inputs=inputs, outputs=outputs, gaps="one_way"
        )
        maps = dict(found.maps)
        if isinstance(found.sense[0], Projection):
            w_in, w_out = _projections(checked(path).with_suffix(".npz"))
            if mode == "code":
                # The published program feeds observation 1 where the second quantity was meant.
                w_in[:, 1] = np.eye(len(w_in))[1]
            first, last = (Projection(w_in.shape[0], w_in.T), Projection(w_out.shape[1], w_out.T))
            maps |= {"sense": (first, *found.sense[1:]), "move": (*found.move[:-1], last)}
        return cls(circuit, **maps)

    # -- acting --------------------------------------------------------------------------------------------------------

    def act(self, observation: Any) -> NDArray[np.float64]:
        """The action (m,) for an observation (n,), or (E, m) for E environments side by side, (E, n).

        Potentials go on from one call to the next.

        Raises: ShapeError for another number of observations, ArgumentError for one that is not finite, or another
            number of environments than before (`reset` first). Nothing has moved then.
        """
        runner = self._runner
        plain = type(observation) is np.ndarray and observation.dtype == np.float64
        if plain and self._alone and runner and observation.shape == (self.numbers.senses.observations,):
            return runner.act(observation[None, None])[0, 0]
        try:
            given = observation if type(observation) is np.ndarray else np.asarray(observation, np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"observation is {shown(observation)}; it takes numbers.") from None
        alone = given.ndim < 2
        n = 1 if alone else len(given)
        rows = observed(given[None] if alone else given, (n,), self.numbers)[None]
        if self._runner is None or (n, alone) != (self._runner.shape[1], self._alone):
            if self._runner is not None and not self._runner.starting.all():
                before = "one environment" if self._alone else f"{self._runner.shape[1]} environments"
                raise ArgumentError(
                    f"observation has shape {given.shape} and the policy is in {before}; others take a reset()."
                )
            self._runner, self._alone = self._new_runner(n, 1 if alone else 2), alone
        action = self._runner.act(rows)[0]
        return action[0] if alone else action

    def reset(self, mask: ArrayLike | None = None) -> None:
        """Start over at -70 mV (a layer: at its initial state), all or the environments where mask (E,) is true."""
        if mask is None:
            if self._runner is not None:
                self._runner.reset()
        elif self._runner is None or self._alone:
            raise ArgumentError("this policy is in one environment, so reset() takes no mask.")
        else:
            self._runner.reset(np.asarray(mask)[None])

    # -- numbers -------------------------------------------------------------------------------------------------------

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The least and the most of every number of the vector: for a circuit those published, else infinite."""
        return self.numbers.low.copy(), self.numbers.high.copy()

    def vector(self) -> NDArray[np.float64]:
        """A copy of all numbers that may be searched, (K,), block after block as `numbers.blocks` names them."""
        return self._theta.copy()

    def set_vector(self, theta: ArrayLike) -> None:
        """Take other numbers, and start over.

        Raises: ShapeError, ArgumentError for a number outside of `bounds`; nothing is changed then.
        """
        self._theta = proved(theta, self.numbers, None)[0]
        self.network = self.numbers.with_vector(self._theta)
        self._runner = None

    def with_vector(self, theta: ArrayLike) -> "Policy":
        """A policy of its own with other numbers."""
        new = copy.copy(self)  # as pickle does: of its own from the start
        new.set_vector(theta)
        return new

    def population(self, vectors: int, environments: int = 1) -> Population:
        """Many vectors of this policy, each in some environments: `Population(policy, vectors, environments)`.

        It is kept for the next call of the same size, so one is not for two uses at once.
        """
        if self._crowd is None or (self._crowd.vectors, self._crowd.environments) != (vectors, environments):
            self._crowd = Population(self, vectors, environments)
        return self._crowd

    # -- what export takes ---------------------------------------------------------------------------------------------

    def layer(self) -> Recurrent:
        """The network between the maps, as a layer of its own: potentials of inputs in, those of outputs out.

        `wormnet.page`, `wormnet.audit` and every export take it; of a circuit 0 is -70 mV and 1 is -20 mV, and dt is in
        seconds. `wormnet.export.c(policy, path)` writes it with the maps.
        """
        return self.numbers.as_layer(self._theta)

    @property
    def ends(self) -> Ends:
        """The maps before and after the network; `ends.felt(observations)` is what `layer()` takes."""
        return self.numbers.maps(self._theta, self.warmup)

    def _new_runner(self, environments: int, axes: int) -> Runner:
        runner = Runner(self.numbers, 1, environments, self.warmup, axes)
        runner.take(self.numbers.rows(self._theta[None]))
        return runner

    # -- copies and files ----------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "numbers": None, "_runner": None, "_crowd": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        theta = state["_theta"]
        self.__init__(state["network"], state["sense"], state["move"], **self._options(state))
        self._theta = theta

    @staticmethod
    def _options(state: dict[str, Any]) -> dict[str, Any]:
        return {name: state[name] for name in ("observe", "observations", "dt", "steps", "warmup")}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the policy into one safetensors file: network, maps and numbers. It appears whole or not at all.

        Raises: ArgumentError for what is no path, DataError if it cannot be written.
        """
        policy_files.save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Policy":
        """Read a policy that `save` wrote; nothing in the file is executed.

        Raises: DataError if there is no such file, or it holds no policy or a damaged one.
        """
        return policy_files.load(path)


def _cells(one: Feels | Moves) -> list[str]:
    return [getattr(one, name) for name in ("cell", "positive", "negative") if hasattr(one, name)]


def _projections(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            w_in, w_out = (np.array(file[name], np.float64) for name in ("w_in", "w_out"))
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise DataError(f"{printable(path)} holds no arrays w_in and w_out: {shown(str(error), 200)[1:-1]}.") from None
    if w_in.ndim != 2 or w_in.shape[1] != 2 or w_out.ndim != 2 or w_out.shape[0] != 2:
        raise DataError(
            f"{printable(path)} holds w_in {w_in.shape} and w_out {w_out.shape}; it takes (observations, 2) and "
            "(2, actions)."
        )
    return w_in, w_out
