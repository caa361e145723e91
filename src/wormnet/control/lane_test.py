"""The lane-keeping test: learn from the expert, then steer on its recordings (passive) and on the road (active)."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.audit import dynamics, ssim, visual_backprop
from wormnet.control.camera import Camera
from wormnet.control.cars import Cars
from wormnet.control.drive_data import Recording, record
from wormnet.control.driver import FEATURES, FILTERS, Driver, whitened
from wormnet.control.outside import OUTSIDE, cars_on, faster
from wormnet.errors import ArgumentError, unknown
from wormnet.models.spec import check_count
from wormnet.nn import Recurrent

__all__ = ["NOISE", "Active", "Course", "LaneTest", "attention", "drive", "learn", "squared_error", "weighted_loss"]

NOISE = (0.0, 0.1, 0.2, 0.3)
"""Variances of the pixel noise of the published test, for pictures from 0 to 1."""
MOST_CARS = 1000
"""So many roads has a run of its own."""
TOLD = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and out of how much."""


@dataclass(frozen=True)
class Course:
    """How long a lane-keeping test takes, and of what it is made.

    Args:
        rows, columns: of the pictures.   filters: of the head.
        roads, length: recorded drives, and m of each.   folds: a run trains on the roads of all but one.
        epochs, batch, window: passes, windows in a batch, pictures in a window (16, as published).
        rate, head_rate: learning rates of the core and of the head (smaller, as published), half a cosine down to 0.
        alpha: a picture weighs exp(alpha |y|), y in shares of the sharpest curvature.
        shadows: the share of windows over which a shadow line is laid in training.
        recorded, difficulties: of the roads that are recorded, and of those of the active test; see `cars_on`.
        cars, kilometre: cars of the active test, and km of road for each.
        noise: variances of the pixel noise.

    The published values of the rates and of alpha are not readable in our copy of the paper; these are our own.
    """

    rows: int = 48
    columns: int = 160
    filters: tuple[int, ...] = FILTERS
    roads: int = 40
    length: float = 400.0
    folds: int = 10
    epochs: int = 10
    batch: int = 16
    window: int = 16
    rate: float = 5e-3
    head_rate: float = 1e-3
    alpha: float = 1.0
    shadows: float = 0.3
    recorded: str = "easy"
    difficulties: tuple[str, ...] = ("easy", "hard")
    cars: int = 20
    kilometre: float = 0.5
    noise: tuple[float, ...] = NOISE

    def __post_init__(self):
        for name in ("epochs", "batch", "window", "cars"):
            check_count(name, getattr(self, name), 1)
        if self.cars > MOST_CARS:
            raise ArgumentError(f"cars is {self.cars}; it takes 1 to {MOST_CARS}.")
        if not 2 <= self.folds <= self.roads:
            raise ArgumentError(f"folds is {self.folds}; it takes 2 to as many as there are roads, {self.roads}.")
        if any(not 0 <= one < math.inf for one in self.noise):
            raise ArgumentError(f"noise is {self.noise}; it takes variances of 0 or more.")

    def on(self, where: str) -> "Course":
        """The same course in a world of `OUTSIDE`, on roads that take cars there as many seconds; "road" is ours.

        Raises: ArgumentError for an unknown name; WormnetError that says how to install what that world needs.

        >>> Course().on("CarRacing")
        Traceback (most recent call last):
        wormnet.errors.ArgumentError: unknown world 'CarRacing'; did you mean 'CarRacing-v3'? ...
        """
        if where == "road":
            return self
        if where not in OUTSIDE:
            raise ArgumentError(unknown("world", where, ("road", *OUTSIDE)))
        OUTSIDE[where].needed()
        length, kilometre = (round(faster(where) * one, 3) for one in (self.length, self.kilometre))
        return replace(self, recorded=where, difficulties=(where,), length=length, kilometre=kilometre)

    @property
    def camera(self) -> Camera:
        """What records and drives."""
        return Camera(rows=self.rows, columns=self.columns)

    @property
    def features(self) -> int:
        """Inputs of a core."""
        return FEATURES * self.filters[-1]


QUICK = Course(*(24, 80, (8, 12, 16, 24, 8)), roads=12, length=120.0, folds=6, epochs=12, cars=3, kilometre=0.15)
"""A taste, in minutes: small pictures, a small head, little to learn from."""


def weighted_loss(said: Tensor, wanted: Tensor, alpha: float) -> Tensor:
    """sum exp(alpha |y|) (said - y)^2 / sum exp(alpha |y|): sharp bends, which are rare, weigh more.

    Source: Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652; there without the division.

    >>> weighted_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 3.0]), alpha=0.0)
    tensor(0.5000)
    """
    weight = torch.exp(alpha * wanted.abs())
    return (weight * (said - wanted).square()).sum() / weight.sum()


def learn(
    driver: Driver, recording: Recording, roads: Sequence[int], course: Course, *, seed: int, told: TOLD | None = None
) -> list[float]:
    """Train a driver to steer as the expert, head and core together, on windows that each start at rest.

    Adam with the weighted loss; this loop is not that of studies since the head has a rate of its own, and pictures a
    weight. Returns the mean loss of each epoch. Raises: FloatingPointError if a loss is not finite.
    """
    windows = recording.windows(course.window, roads)
    rng = np.random.default_rng([seed, 1])
    behind = [p for name, p in driver.named_parameters() if not name.startswith("head.")]
    groups = [{"params": behind, "lr": course.rate}, {"params": driver.head.parameters(), "lr": course.head_rate}]
    optimiser, losses = torch.optim.Adam(groups), []
    steps = math.ceil(len(windows) / course.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, course.epochs * steps)
    driver.train()
    for epoch in range(course.epochs):
        order, total = rng.permutation(len(windows)), 0.0
        for step in range(steps):
            pictures, wanted = recording.cut(
                windows[order[step * course.batch : (step + 1) * course.batch]], course.window
            )
            _shade(pictures, course.shadows, rng)
            loss = weighted_loss(driver(torch.from_numpy(pictures))[0], torch.from_numpy(wanted), course.alpha)
            if not math.isfinite(loss.item()):
                raise FloatingPointError(f"training diverged in epoch {epoch}, step {step}: the loss is {loss.item()}.")
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(driver.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item() / steps
            if told:
                told(
                    f"learning, loss {total * steps / (step + 1):.4f}", epoch * steps + step + 1, course.epochs * steps
                )
        losses.append(total)
    driver.eval()
    return losses


def _shade(pictures: NDArray[np.float32], share: float, rng: np.random.Generator) -> None:
    """Lay a shadow with a straight edge over some of the windows, as the published training does."""
    rows, columns = pictures.shape[2:4]
    down, across = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    for i in np.flatnonzero(rng.random(len(pictures)) < share):
        angle, past, dark = rng.uniform(0, 2 * np.pi), rng.uniform(-0.7, 0.7), rng.uniform(0.4, 0.8)
        inside = down * math.sin(angle) + across * math.cos(angle) > past
        pictures[i] *= np.where(inside, dark, 1.0).astype(np.float32)[:, :, None]


def squared_error(driver: Driver, recording: Recording, roads: Sequence[int], course: Course) -> float:
    """The passive test: mean squared error of the steering on windows of recorded drives, unweighted."""
    windows, total = recording.windows(course.window, roads), 0.0
    with torch.no_grad():
        for first in range(0, len(windows), 64):
            pictures, wanted = recording.cut(windows[first : first + 64], course.window)
            said, _ = driver(torch.from_numpy(pictures))
            total += float((said - torch.from_numpy(wanted)).square().sum())
    return total / (len(windows) * course.window)


def attention(driver: Driver, recording: Recording, roads: Sequence[int], course: Course) -> list[float]:
    """How alike the head's VisualBackProp maps of clean and of noisy pictures are: SSIM for each noise of the course.

    The mean over 200 frames, as published, evenly spaced over the windows of the roads; the noise has a fixed seed.
    """
    windows = recording.windows(course.window, roads)
    frames = recording.cut(windows, course.window)[0].reshape(-1, *recording.pictures.shape[2:])
    clean = frames[np.linspace(0, len(frames) - 1, min(200, len(frames))).round().astype(int)]
    found, rng = [], np.random.default_rng(2)
    looked = _map(driver, clean)
    for variance in course.noise:
        noise = math.sqrt(variance) * rng.standard_normal(clean.shape, np.float32)
        found.append(float(ssim(looked, _map(driver, np.clip(clean + noise, 0, 1)), peak=1.0).index.mean()))
    return found


def _map(driver: Driver, pictures: NDArray[Any]) -> NDArray[np.float64]:
    seen = whitened(torch.from_numpy(pictures)).permute(0, 3, 1, 2)
    return visual_backprop(driver.head.get_submodule("look"), seen).map


WITHOUT_EYES = ("expert", "straight")
"""Drivers that see no pictures: the one that all learn from, and one that never steers."""


class Active(NamedTuple):
    """What cars did on the road; the first axis is that of the noise variances."""

    crashes: NDArray[np.int64]
    """(noise, cars)"""
    km: NDArray[np.float64]
    """(noise, cars)"""
    states: list[NDArray[np.float32]]
    """(time, neurons) of each car without noise; empty if the driver tells none."""


def drive(
    steer: Driver | str,
    difficulty: str,
    course: Course,
    *,
    run: int = 0,
    watch: Callable[[Cars, NDArray[np.float32], NDArray[np.float64]], None] | None = None,
    told: TOLD | None = None,
) -> Active:
    """The active test: crashes, that is interventions, on roads that nothing was learned from.

    All cars drive side by side, each road once for each noise variance. Noise N(0, sigma^2) is drawn for every pixel
    from seeds that are the same for all drivers, and pictures are cut off at 0 and 1. A car that crashes is put back
    onto the centre line; the driver is not told.

    Args:
        steer: a Driver, or "expert", or "straight" (always straight on), which see no pictures.
        difficulty: of the roads, or the world that they are in, as `cars_on`.
        run: each run has roads of its own, the same for all drivers.
        watch: called before every step with the cars, what they see, and what they command in 1/m.
    """
    if not isinstance(steer, Driver) and steer not in WITHOUT_EYES:
        raise ArgumentError(unknown("driver", steer, WITHOUT_EYES))
    levels, seeds = len(course.noise), [900_000 + MOST_CARS * run + car for car in range(course.cars)]
    cars = cars_on(difficulty, seeds=seeds * levels, length=1000 * course.kilometre, camera=course.camera)
    deviation = np.sqrt(np.repeat(course.noise, course.cars)).astype(np.float32)
    draws = [np.random.default_rng([seed, 2]) for seed in seeds * levels]
    state, kept = None, []
    most = math.ceil(1.5 * 1000 * course.kilometre / cars.distance)
    for step in range(most):
        if cars.done.all():
            break
        seen = np.zeros((0,), np.float32)
        if isinstance(steer, Driver):
            seen = _noisy(cars.pictures(), deviation, draws)
            with torch.no_grad():
                share, state = steer(torch.from_numpy(seen[:, None]), state)
            commands = share[:, 0].double().numpy() * cars.sharpest
            kept.append(_hidden(steer.core, state))
        else:
            commands = cars.expert() if steer == "expert" else np.zeros(len(seeds) * levels)
        if watch:
            watch(cars, seen, commands)
        cars.step(commands)
        if told:
            told(f"driving, {difficulty}", step + 1, most)
    whole = [one[: course.cars] for one in kept if one is not None]
    states = list(np.stack(whole, 1)) if whole and course.noise[0] == 0 else []
    shape = (levels, course.cars)
    return Active(cars.crashes.reshape(shape), cars.km.reshape(shape), states)


def _noisy(pictures: Any, deviation: Any, draws: Sequence[np.random.Generator]) -> NDArray[np.float32]:
    for picture, spread, rng in zip(pictures, deviation, draws):
        if spread:
            picture += spread * rng.standard_normal(picture.shape, np.float32)
    return np.clip(pictures, 0.0, 1.0, out=pictures)


def _hidden(core: nn.Module, state: Any) -> NDArray[np.float32] | None:
    """(cars, neurons) the states without those of the outputs, as published; None for a core without a state."""
    if state is None:
        return None
    first = state[0] if isinstance(state, tuple) else state
    first = first[-1] if first.dim() == 3 else first
    if isinstance(core, Recurrent) and core.wiring.n_outputs < core.wiring.n_neurons:
        hidden = [name not in core.wiring.outputs for name in core.wiring.neurons]
        first = first[:, torch.tensor(hidden)]
    return first.numpy().copy()


class LaneTest:
    """The runs of a lane-keeping test: networks x seeds. Run i trains with seed i and is tested on fold i mod folds.

    It drives on roads of its own, so that what differs between roads counts among what differs between runs.

    Args:
        networks: name -> function (inputs, seed) -> core of a `Driver`.   course: sizes.

    >>> import wormnet
    >>> from wormnet.control.cells import Memoryless
    >>> course = Course(12, 24, (2, 2, 2, 2, 2), roads=2, folds=2, length=60, epochs=1, cars=1, kilometre=0.04)
    >>> test = LaneTest({"cnn": lambda inputs, seed: Memoryless(inputs, 4)}, course)
    >>> found, driver = test.run("cnn", seed=0)
    >>> sorted(found["active"]), found["fold"]
    (['easy', 'hard'], 0)
    """

    def __init__(self, networks: dict[str, Callable[[int, int], nn.Module]], course: Course):
        self.networks, self.course = networks, course
        self._recording: Recording | None = None

    @property
    def recording(self) -> Recording:
        """The expert's drives, recorded when they are first needed."""
        if self._recording is None:
            course = self.course
            self._recording = record(
                course.recorded, seeds=range(course.roads), length=course.length, camera=course.camera
            )
        return self._recording

    def make(self, network: str, seed: int) -> Driver:
        """A fresh driver; the same seed, the same numbers, and torch's generator is left as it was."""
        course = self.course
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            core = self.networks[network](course.features, seed)
            return Driver(core, rows=course.rows, columns=course.columns, filters=course.filters)

    def fold(self, number: int) -> tuple[list[int], list[int]]:
        """The roads to learn from, and those of a fold to be tested on."""
        tested = list(range(number, self.course.roads, self.course.folds))
        return [road for road in range(self.course.roads) if road not in tested], tested

    def run(self, network: str, *, seed: int, told: TOLD | None = None) -> tuple[dict[str, Any], Driver]:
        """Train a network and test it: what was found, as JSON knows it, and the trained driver."""
        course, began, fold = self.course, time.process_time(), seed % self.course.folds
        learned, tested = self.fold(fold)
        driver = self.make(network, seed)
        losses = learn(driver, self.recording, learned, course, seed=seed, told=told)
        wanted = self.recording.cut(self.recording.windows(course.window, tested), course.window)[1]
        found: dict[str, Any] = {
            "network": network,
            "seed": seed,
            "fold": fold,
            "parameters": sum(p.numel() for p in driver.parameters()),
            "behind_the_head": sum(p.numel() for p in driver.parameters())
            - sum(p.numel() for p in driver.head.parameters()),
            "loss": losses,
            "train_error": squared_error(driver, self.recording, learned, course),
            "test_error": squared_error(driver, self.recording, tested, course),
            "straight_error": float(np.square(wanted).mean()),
            "attention": attention(driver, self.recording, tested, course),
            "active": {},
        }
        for difficulty in course.difficulties:
            outcome = drive(driver, difficulty, course, run=seed, told=told)
            found["active"][difficulty] = {"crashes": outcome.crashes.tolist(), "km": outcome.km.round(6).tolist()}
            if outcome.states and len(outcome.states[0]) > 1:
                smooth = dynamics(outcome.states)
                found["active"][difficulty] |= {"pc1": smooth.pc1, "l_max": smooth.l_max}
        found["cpu_seconds"] = time.process_time() - began
        return found, driver

    def runs(self, seeds: Iterable[int]) -> Iterator[tuple[str, int]]:
        """All runs, seed by seed, so that what is there early compares all networks."""
        return ((network, seed) for seed in seeds for network in self.networks)
