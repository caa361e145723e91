"""`wormnet drive`: the lane-keeping test."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from wormnet.atomic import contents, make_folder, occupied, sweep, write_whole
from wormnet.cli.stopping import stopping
from wormnet.errors import ArgumentError, shown

if TYPE_CHECKING:
    from wormnet.control.driver import Driver
    from wormnet.control.lane_test import Course, LaneTest

__all__ = ["NETWORKS", "drive"]

NETWORKS = (
    *("ncp-ltc-19", "ncp-cfc-19", "ncp-ltc-19/random", "ncp-ltc-19/rewire", "dense-ltc-19", "ctrnn-64", "lstm-64"),
    *("lstm", "cnn"),
)
"""Of the whole test. lstm has about as many parameters as ncp-ltc-repaired with 19 neurons; cnn has no memory."""
NEURONS = 19
"""As published."""
RUNS, SETTINGS = "runs", "settings.json"


def drive(
    out: Annotated[Path, typer.Option(help="For runs, tables, figure and film; new or empty.")] = Path("drive"),
    quick: Annotated[bool, typer.Option("--quick", help="One small network, minutes: to see that it runs.")] = False,
    networks: Annotated[
        str, typer.Option(help="Names as in studies, with commas between, and cnn; none for those of the test.")
    ] = "",
    seeds: Annotated[int, typer.Option(min=0, help="Runs of each network; 0: 10, or 1 if quick.")] = 0,
    first: Annotated[int, typer.Option(min=0, help="The seed of the first run.")] = 0,
    folds: Annotated[int, typer.Option(min=0, help="Run i is tested on the roads of fold i; 0: 10, or 6.")] = 0,
    cars: Annotated[int, typer.Option(min=0, help="Roads, and seeds of noise, of the active test; 0: 20, or 3.")] = 0,
    epochs: Annotated[int, typer.Option(min=0, help="Passes over the recorded drives; 0: 10, or 12.")] = 0,
    small: Annotated[
        bool | None,
        typer.Option("--small/--full", help="24 x 80 pictures and a third of the head, as --quick, or 48 x 160."),
    ] = None,
    noise: Annotated[str, typer.Option(help="Variances of the pixel noise, commas between; none for 0,.1,.2,.3.")] = "",
    on: Annotated[
        str, typer.Option(help="Where to: road, ours, or CarRacing-v3 or racetrack-v1, by wormnet\\[outside].")
    ] = "road",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the runs in the folder.")] = False,
) -> None:
    """Teach networks to keep a lane, and count their crashes under pixel noise: the lane-keeping test."""
    from wormnet.control import lane_report
    from wormnet.control.lane_test import QUICK, Course, LaneTest

    console = Console(highlight=False, markup=False, emoji=False)
    course = QUICK if quick else Course()
    changes: dict[str, Any] = {"folds": folds, "cars": cars, "epochs": epochs}
    if small is not None:
        seen = QUICK if small else Course()
        changes |= {"rows": seen.rows, "columns": seen.columns, "filters": seen.filters}
    if noise:
        changes["noise"] = _variances(noise)
    course = dataclasses.replace(course, **{name: value for name, value in changes.items() if value}).on(on)
    names = [name for name in networks.split(",") if name] or list(NETWORKS[:1] if quick else NETWORKS)
    test = LaneTest({name: _core_of(name, course) for name in names}, course)
    for name in names:
        test.make(name, 0)  # an unknown name, before anything is written
    taken = range(first, first + (seeds or (1 if quick else 10)))
    _begin(out, course, resume=resume)
    bars = Progress(console=Console(stderr=True), transient=True)
    with stopping(f"go on with --out {out} --resume."), bars as progress:
        runs = [_run(test, out, progress, *one) for one in test.runs(taken)]
    rows, passive = lane_report.crash_rows(runs, course), lane_report.passive_rows(runs, course)
    write_whole(out / "crashes.csv", lane_report.csv_of(rows + lane_report.without_learning(course, taken)))
    write_whole(out / "passive.csv", lane_report.csv_of(passive))
    write_whole(out / "differences.csv", lane_report.csv_of(lane_report.difference_rows(runs, names[0], course)))
    _draw(out, rows, course, test, names[0], first)
    _tell(console, rows, passive)
    console.print(f"wrote crashes.csv, passive.csv, differences.csv, crashes-*.png, film.gif and strip.png into {out}")


def _variances(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in text.split(",") if one)
    except ValueError:
        raise ArgumentError(f"--noise is {text!r}; it takes numbers with commas between, such as 0,0.1.") from None


def _core_of(name: str, course: "Course") -> Any:
    """(inputs, seed) -> the core of a network of studies."""
    from wormnet.control.cells import Memoryless
    from wormnet.study.network import Shape, build

    if name == "cnn":
        # As many units as an LSTM of the test has.
        return lambda inputs, seed: Memoryless(inputs, 64)
    shape = {"n_outputs": 1, "per": "step", "steps": course.window, "neurons": NEURONS}
    return lambda inputs, seed: build(name, Shape(inputs, **shape), seed).core


def _begin(out: Path, course: "Course", *, resume: bool) -> None:
    """Make the folder, or see that what is there is of the same test, before anything is written."""
    settings, there = out / SETTINGS, contents(out)
    if SETTINGS not in there:
        # Of another process that begins in the same moment, the settings may not be there yet.
        if foreign := sorted(there - {RUNS}):
            raise occupied(out, f"holds no lane-keeping test, but {shown(foreign[0])}")
    elif not resume:
        raise occupied(out, "is not empty", "lane-keeping test")
    elif not _same(settings, course):
        raise ArgumentError(f"{settings} is of another test than the one asked for; take another --out.")
    make_folder(out / RUNS)
    sweep(out)
    sweep(out / RUNS)
    write_whole(settings, json.dumps(dataclasses.asdict(course), indent=1) + "\n")


def _same(settings: Path, course: "Course") -> bool:
    """Whether a test's settings are those of a course; of what older ones do not say, the default held."""
    try:
        found = json.loads(settings.read_text(encoding="utf-8"))
    except ValueError:
        return False
    defaults, wanted = (json.loads(json.dumps(dataclasses.asdict(one))) for one in (type(course)(), course))
    return isinstance(found, dict) and {**defaults, **found} == wanted


def _record(out: Path, network: str, seed: int) -> Path:
    """Where a run is kept."""
    return out / RUNS / f"{network.replace('/', '-on-')}_{seed}.json"


def _run(test: "LaneTest", out: Path, progress: Progress, network: str, seed: int) -> dict[str, Any]:
    """One run, or what is kept of it. The record is written last, so where it is the weights are too."""
    path = _record(out, network, seed)
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    bar = progress.add_task(f"{network}, seed {seed}")

    def told(what: str, done: int, of: int) -> None:
        progress.update(bar, description=f"{network}, seed {seed}: {what}", completed=done, total=of)

    found, driver = test.run(network, seed=seed, told=told)
    progress.remove_task(bar)
    _keep(driver, path.with_suffix(".safetensors"))
    write_whole(path, json.dumps(found) + "\n")
    return found


def _keep(driver: "Driver", path: Path) -> None:
    """Write a trained driver, as `Driver.save` does, or its numbers alone if its core is none that a file takes."""
    from safetensors.torch import save

    try:
        driver.save(path)
    except ArgumentError:
        write_whole(path, save({name: one.contiguous() for name, one in driver.state_dict().items()}))


def _kept(test: "LaneTest", out: Path, network: str, seed: int) -> "Driver":
    """The driver of a run. Files of earlier releases hold the numbers alone."""
    from wormnet.control.driver import Driver
    from wormnet.nn.files import read

    path = _record(out, network, seed).with_suffix(".safetensors")
    numbers, head = read(path)
    if head is not None:
        return Driver.load(path)
    driver = test.make(network, seed)
    driver.load_state_dict(numbers)
    return driver.eval()


def _draw(out: Path, rows: list[dict[str, Any]], course: "Course", test: "LaneTest", network: str, seed: int) -> None:
    """The figures, and a film of the first car of a run, without noise."""
    import numpy as np

    from wormnet.control.lane_test import drive
    from wormnet.control.outside import faster
    from wormnet.plot import drives, save

    for difficulty in course.difficulties:
        rates: dict[str, list[Any]] = {}
        for row in rows:
            if row["difficulty"] == difficulty:
                rates.setdefault(row["network"], []).append((row["low"], row["per_km"], row["high"]))
        save(drives.crashes(course.noise, rates), out / f"crashes-{difficulty}.png")
    driver = _kept(test, out, network, seed)
    seen: list[Any] = []
    rate = 0.0

    def watch(cars: Any, pictures: Any, commands: Any) -> None:
        nonlocal rate
        rate = cars.rate_hz
        if len(seen) < 40 * rate:
            steering = np.array([commands[0], cars.expert()[0]]) / cars.sharpest
            seen.append((pictures[0].copy(), steering))

    where = course.difficulties[0]
    short = dataclasses.replace(course, noise=(0.0,), cars=1, kilometre=min(course.kilometre, 0.15 * faster(where)))
    drive(driver, where, short, run=seed, watch=watch)
    every = round(rate / 10)
    pictures, steering = (np.stack(part) for part in zip(*seen[::every]))
    larger = max(1, round(480 / course.columns))
    drives.film(out / "film.gif", pictures, steering, fps=rate / every, scale=larger)
    drives.strip(out / "strip.png", pictures, steering, scale=larger)


def _tell(console: Console, rows: list[dict[str, Any]], passive: list[dict[str, Any]]) -> None:
    learned = Table("network", "seeds", "error, learned", "error, held out", "straight on", title="Passive test")
    for row in passive:
        errors = (f"{row[name]:.4f}" for name in ("train_error", "test_error", "straight_error"))
        learned.add_row(row["network"], str(row["seeds"]), *errors)
    console.print(learned)
    table = Table("network", "roads", "noise", "crashes", "km", "per km", "95 %", title="Active test")
    for row in rows:
        numbers = (f"{row['noise']:g}", str(row["crashes"]), f"{row['km']:.2f}", f"{row['per_km']:.1f}")
        table.add_row(row["network"], row["difficulty"], *numbers, f"{row['low']:.1f} to {row['high']:.1f}")
    console.print(table)
