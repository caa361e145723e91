"""Feed the readers of data sets with broken files, and report every end that is not an error of the library.

    python scripts/fuzz_data.py [--files 20000] [--seed 0] [READER ...]        # default: all readers

A file is one of the seeds below with some bytes flipped, cut out, doubled, swapped, or replaced by what readers stumble
over. Each reading has to end in data or in a WormnetError, within 5 seconds and 1 GB; one line per reader tells how
many ended in which way. Same seed, same files.
"""

import argparse
import contextlib
import gzip
import io
import itertools
import random
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wormnet.data import Sequences, files, gesture, halfcheetah, lidar, occupancy, traffic
from wormnet.errors import WormnetError

SECONDS, BYTES = 5.0, 1 << 30


class Reader(NamedTuple):
    """A reader and files that it takes."""

    read: Callable[[Path], Any]
    suffix: str
    seeds: tuple[bytes, ...]


def _ts(path: Path) -> Sequences:
    options: dict[str, Any] = {"missing": "forward"}
    if "timestamps true" in path.read_text(errors="replace").lower():
        options["first_dt"] = 1.0
    return Sequences.from_ts(path, **options)


def _ts_seeds() -> tuple[bytes, ...]:
    plain = "# a comment\n@problemName x\n@timeStamps false\n@univariate false\n@classLabel true a b\n@data\n"
    plain += "1,2,3:4,5,6:a\n-1e3,?:0.5,NaN:b\n"
    stamped = "@timeStamps true\n@targetLabel true\n@data\n(0,1),(1.5,2):(0,3):1.5\n(2020-01-01 10:00:00,1):():-2\n"
    return plain.encode(), stamped.encode(), gzip.compress(plain.encode())


def _csv(names: list[str], rows: list[list[str]], numbered: bool = False) -> bytes:
    lines = [",".join(f'"{n}"' for n in names)]
    lines += [",".join(([f'"{i}"'] if numbered else []) + row) for i, row in enumerate(rows)]
    return "\n".join(lines).encode() + b"\n"


def _seed_tables() -> dict[str, bytes]:
    hours = [f"2015-02-{1 + h // 24:02d} {h % 24:02d}:00:00" for h in range(48)]
    office = [[f'"{hours[h % 48]}"', "23.1", "27.2", "426", "721.25", "0.0048", str(h % 2)] for h in range(48)]
    cars = [["None", "288.2", "0.0", "0.0", "40", "Clouds", "few", hour, str(k * 100)] for k, hour in enumerate(hours)]
    hands = [[str(0.001 * (i * j - 50)) for j in range(32)] + ["DPSHR"[i % 5]] for i in range(12)]
    drive = [[f"{i}.00", "1.0", "2.0", *(["3.5"] * 541), "-0.25"] for i in range(2)]
    return {
        "occupancy": _csv(["date", *occupancy._INPUTS, "Occupancy"], office, numbered=True),
        "traffic": _csv(
            [
                "holiday",
                "temp",
                "rain_1h",
                "snow_1h",
                "clouds_all",
                "weather_main",
                "weather_description",
                "date_time",
                "traffic_volume",
            ],
            cars,
        ),
        "gesture": _csv([*(str(i + 1) for i in range(32)), "Phase"], hands),
        "lidar": ("\n".join(",".join(row) for row in drive) + "\n").encode(),
    }


def _npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), version=version, allow_pickle=True)
    return stream.getvalue()


def _npz(pack: int, **arrays: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", pack) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", _npy(array))
    return stream.getvalue()


def readers() -> dict[str, Reader]:
    """The readers by name."""
    tables = _seed_tables()
    numbers = np.arange(51.0).reshape(3, 17)
    npy = (_npy(numbers), _npy(np.asfortranarray(numbers), (2, 0)), _npy(np.array([{}], object)))
    npz = tuple(_npz(pack, a=numbers, b=numbers.astype("<f4")) for pack in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))

    def table(read: Callable[[Path], Any], name: str) -> Reader:
        return Reader(read, ".csv", (tables[name],))

    return {
        "ts": Reader(_ts, ".ts", _ts_seeds()[:2]),
        "ts.gz": Reader(_ts, ".ts.gz", _ts_seeds()[2:]),
        "occupancy": table(occupancy._read, "occupancy"),
        "traffic": table(traffic._read, "traffic"),
        "gesture": table(gesture._read, "gesture"),
        "lidar": table(lidar._read, "lidar"),
        "csv.gz": Reader(traffic._read, ".csv.gz", (gzip.compress(tables["traffic"]),)),
        "npy": Reader(files.array, ".npy", npy),
        "halfcheetah": Reader(halfcheetah._read, ".npy", (_npy(np.ones((1000, 17), "u1")), *npy[:1])),
        "npz": Reader(files.arrays_of, ".npz", npz),
    }


STUMBLES = (
    *(sign.encode() for sign in ("", "\0", "\r", "\n", "\r\n", ",", ":", '"', "'", "(", ")", "@", "#", "?", "-")),
    *(
        word.encode()
        for word in ("nan", "inf", "1e999", "1e39", "-1", "0x1", "1_0", "True", "None", "NaT", "\u00b2\u0661")
    ),
    *(word.encode() for word in ("9999-99-99", "0001-01-01", "2020-01-01T00:00:00+01:00", "0001-01-01T00:00:00+01:00")),
    *(word.encode() for word in ("@data\n", "@timeStamps true\n", "@classLabel true\n", "@targetLabel true\n")),
    *(word.encode() for word in ("(9999999999,)", "(-1,)", "(0,)", "'|O'", "'<U9'", "'<f8'", "'V8'", "'<f2'", "'<c8'")),
    *(sign * 300 for sign in (b"9", b"(", b"[", b"{", b"-", b"~")),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"PK\x05\x06", b"\x1f\x8b"),
)


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One to eight changes of `content`."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        place = rng.randrange(len(content) + 1)
        width = rng.choice((0, 1, 1, 2, 4, 16, 64, 1000))
        kind = rng.randrange(7)
        if kind == 0 and content:  # a bit
            place = min(place, len(content) - 1)
            content = content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]
        elif kind == 1:  # cut out
            content = content[:place] + content[place + width :]
        elif kind == 2:  # put in, or instead
            content = content[:place] + rng.choice(STUMBLES) + content[place + rng.choice((0, width)) :]
        elif kind == 3:  # doubled, seldom many times
            piece = content[place : place + width]
            content = (
                content[:place]
                + piece * rng.choice((2, 2, 2, 3, 3, 50, 50, 1000 if rng.random() < 0.1 else 9))
                + content[place:]
            )
        elif kind == 4:  # cut off
            content = content[:place] if rng.random() < 0.3 else content
        elif kind == 5:  # bytes at random
            content = content[:place] + rng.randbytes(min(width, 64)) + content[place + width :]
        else:  # moved
            other = rng.randrange(len(content) + 1)
            piece = content[place : place + width]
            content = content[:other] + piece + content[other:]
    return content[: 1 << 22]


def fuzz(name: str, count: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """How the readings ended, and what was wrong with them."""
    reader, rng = readers()[name], random.Random(f"{name} {seed}")
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder, f"file{reader.suffix}")
        for i, content in zip(range(count), itertools.cycle(reader.seeds)):
            unpack = reader.suffix.endswith(".gz") and rng.random() < 0.5
            changed = gzip.compress(mutate(gzip.decompress(content), rng)) if unpack else mutate(content, rng)
            path.write_bytes(changed)
            start = time.monotonic()
            try:
                reader.read(path)
                end = "read"
            except WormnetError as error:
                end = type(error).__name__
                if len(str(error)) > 2000:
                    wrong.append(f"{name} {i}: a message of {len(str(error))} characters")
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                end = "wrong"
                wrong.append(f"{name} {i}: {type(error).__name__}: {str(error)[:200]}")
            spent = time.monotonic() - start
            if spent > SECONDS:
                wrong.append(f"{name} {i}: {spent:.1f} seconds")
            ends[end] += 1
    return ends, wrong


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("readers", nargs="*", default=list(readers()))
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with contextlib.suppress(ValueError, OSError):  # what asks for more gets a MemoryError, which is reported
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, resource.RLIM_INFINITY))
    failed = False
    for name in given.readers:
        start = time.monotonic()
        ends, wrong = fuzz(name, given.files, given.seed)
        told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{name}: {given.files} files in {time.monotonic() - start:.0f} s, {peak} MB: {told}", flush=True)
        for line in wrong[:20]:
            print(f"  {line}", flush=True)
        failed |= bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
