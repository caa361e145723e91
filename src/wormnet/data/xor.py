"""Parity of a stream of bits, every bit a sample or only the changes, with time stamps."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, whole
from wormnet.data.dataset import Dataset, guess
from wormnet.data.sequences import Sequences
from wormnet.errors import ArgumentError, unknown

__all__ = ["DENSE", "EVENT", "baselines", "xor"]

_CITATION = (
    "Lechner & Hasani 2020, Learning Long-Term Dependencies in Irregularly-Sampled Time Series, arXiv:2006.04418; "
    "Hasani et al. 2022, Nat. Mach. Intell. 4, 992-1003"
)


def _about(name: str, summary: str) -> About:
    return About(
        name=name,
        summary=summary,
        split="random bit streams of all lengths, as many of odd as of even parity; those of valid and test are not in "
        "train, nor those of exactly the full length that are kept apart. Every seed is another test set",
        source="generated",
        licence="none needed",
        citation=_CITATION,
        seed="all bits",
        protocols=("clean", "published"),
    )


DENSE = _about("xor", "parity of 32 bits, one bit a step")
EVENT = _about("xor_event", "parity of 32 bits, one step for each run of equal bits, dt = its length")

# The generator and seeds of the published code; 2 to 31 bits, the stamps divided by 32.
_PUBLISHED = {"train": (100_000, 1_234_984), "test": (10_000, 48_736)}
_PUBLISHED_VALID = 10_000


def xor(
    length: int = 32,
    encoding: Literal["dense", "event"] = "dense",
    n_train: int = 10_000,
    n_valid: int = 2_000,
    n_test: int = 2_000,
    *,
    shortest: int = 2,
    protocol: str = "clean",
    seed: int = 0,
) -> Dataset:
    """Is the number of ones in a stream of bits odd (class 1) or even (class 0)?

    Dense: x[i, t, 0] is bit t, 0 or 1; dt is None (1).

    Event-coded: a run of equal bits is one sample, taken when the run ends: x is the bit and dt, the time since the
    previous sample, is the number of bits in the run. So 1 1 1 0 0 1 becomes x = 1, 0, 1 with dt = 3, 2, 1, and the
    parity is that of sum(x dt). The numbers of samples differ (`lengths`).

    Clean: all parts hold streams of `shortest` to `length` bits, as many of each, since parity is learned from short
    streams or hardly at all; those of valid and test are all different and none of them is in train. (Of the streams of
    a few bits an eighth each is held out for valid and test, whose longer ones are so many more.) As many as in test,
    of exactly `length` bits, are kept apart: `dataset.apart`. Half of each part are odd (give or take one). With
    `shortest` equal to `length` all streams are of that length and different.

    Published: the streams of the authors' code, bit for bit (its generator and seeds), 2 to 31 bits long, 100,000 to
    train and 10,000 to test; of the first the last 10,000 are held out for validation, which the authors do not do.
    Event-coded as theirs: a sample when a run begins, dt the time since the previous sample, and a last sample when
    the stream ends unless that run is one bit long; dt is divided by 32. Short streams come again: 36.0 % of those to
    test are also among the authors' 100,000 to train.

    Args:
        length: bits in a stream, 2 to 63.
        encoding: "dense" or "event".
        n_train, n_valid, n_test: streams in each part; of `length` bits there are 2**length in all.
        shortest: bits in the shortest stream of train, 2 to `length`.
        protocol: "clean" or "published", which takes no other sizes than its own.
        seed: makes other streams; the published ones are what they are.

    Raises:
        ArgumentError: for sizes that cannot be.

    Source: Lechner & Hasani 2020, arXiv:2006.04418; Hasani et al. 2022, Nat. Mach. Intell. 4, 992.

    >>> dataset = xor(length=6, encoding="event", n_train=20, n_valid=12, n_test=12)
    >>> part = dataset.test
    >>> int(part.x[0, :, 0] @ part.dt[0]) % 2 == part.y[0]
    np.True_
    """
    if encoding not in ("dense", "event"):
        raise ArgumentError(unknown("encoding", encoding, ("dense", "event")))
    sizes = {"length": length, "n_train": n_train, "n_valid": n_valid, "n_test": n_test, "shortest": shortest}
    length, n_train, n_valid, n_test, shortest = (whole(name, size) for name, size in sizes.items())
    about = DENSE if encoding == "dense" else EVENT
    if protocol == "published":
        if (length, n_train, n_valid, n_test, shortest) != (32, 10_000, 2_000, 2_000, 2):
            raise ArgumentError("the published streams have sizes of their own; leave length, n_* and shortest out.")
        streams = {part: _published_streams(*numbers) for part, numbers in _PUBLISHED.items()}
        train = _Streams(*(array[:-_PUBLISHED_VALID] for array in streams["train"]))
        held = _Streams(*(array[-_PUBLISHED_VALID:] for array in streams["train"]))
        encode = _dense if encoding == "dense" else _published_events
        parts = [encode(part) for part in (train, held, streams["test"])]
    else:
        encode = _dense if encoding == "dense" else _runs
        parts = [encode(part) for part in _mixed(length, shortest, (n_train, n_valid, n_test), seed)]
    exact = {f"exactly {length} bits": part for part in parts[3:]}
    return about.dataset(parts[:3], protocol, baselines, ("even", "odd"), apart=exact)


def baselines(dataset: Dataset) -> dict[str, float]:
    """Accuracy of the commonest class; no single bit tells more about the parity of all."""
    return guess(dataset)


class _Streams(NamedTuple):
    bits: NDArray[np.int64]
    """(streams, bits) 0 or 1, 0 behind the end of a stream"""
    lengths: NDArray[np.int64]
    """(streams,)"""

    @property
    def parity(self) -> NDArray[np.int64]:
        return self.bits.sum(1) % 2


def _mixed(length: int, shortest: int, sizes: tuple[int, int, int], seed: int) -> list[_Streams]:
    """Train, valid, test with streams of `shortest` to `length` bits, and as many as in test of exactly `length`."""
    if not 2 <= length <= 63:
        raise ArgumentError(f"length is {length}; it takes 2 to 63 bits.")
    if not 2 <= shortest <= length:
        raise ArgumentError(f"shortest is {shortest}; it takes 2 to {length} bits.")
    if shortest == length:
        return _streams(length, sizes, seed)
    if min(sizes) < 1:
        raise ArgumentError(f"n_train, n_valid, n_test are {', '.join(map(str, sizes))}; each takes at least 1.")
    rng, lengths = np.random.default_rng([seed, shortest]), np.arange(shortest, length + 1)
    # Of the short streams, of which there are few, an eighth each is held out for valid and for test.
    eighth = (1 << np.minimum(lengths, 40)) >> 3
    counts = [_dealt(n, len(lengths), most) for n, most in zip(sizes, (None, eighth, eighth))]
    counts.append(np.where(lengths == length, sizes[2], 0))
    # Half of each part are odd, and of each length as nearly as that allows.
    odds = [np.diff((np.cumsum(count) + 1) // 2, prepend=0) for count in counts]
    found: list[list[_Streams]] = [[] for _ in counts]
    for k, bits in enumerate(lengths.tolist()):
        wanted = [(int(count[k]), int(odd[k])) for count, odd in zip(counts, odds)]
        for part, streams in zip(found, _of_length(rng, bits, length, wanted)):
            part.append(streams)
    return [_shuffled(rng, pieces) for pieces in found]


def _dealt(n: int, lengths: int, most: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """How many streams of each length, as nearly equal as the limits allow; what is left goes to the longer ones."""
    found = np.zeros(lengths, np.int64)
    for k in range(lengths):
        share = (n - int(found.sum())) // (lengths - k)
        found[k] = share if most is None else min(share, int(most[k]))
    return found


def _of_length(rng: np.random.Generator, bits: int, width: int, wanted: list[tuple[int, int]]) -> Iterator[_Streams]:
    """Streams of so many bits for each part, how many in all and odd: different ones but for train, the first part.

    Of the full width all are different, train's too.
    """
    full = bits == width
    drawn: list[list[NDArray[np.int64]]] = [[], []]
    for parity in (0, 1):
        each = [odd if parity else n - odd for n, odd in wanted]
        total = sum(each) if full else sum(each[1:])
        if total > 2 ** (bits - 1):
            raise ArgumentError(
                f"n_train, n_valid, n_test ask for {2 * total} or more different streams of {bits} bits; there are "
                f"only {2**bits}, half of them odd."
            )
        held = rng.choice(2 ** (bits - 1), size=total, replace=False)
        if not full:
            free = rng.integers(0, 2 ** (bits - 1), each[0])
            while np.any(taken := np.isin(free, held)):
                free[taken] = rng.integers(0, 2 ** (bits - 1), int(taken.sum()))
            held = np.concatenate([free, held])
        drawn[parity] = np.split(held, np.cumsum(each)[:-1])
    for even, odd in zip(*drawn):
        codes, parity = np.concatenate([even, odd]), np.repeat([0, 1], [len(even), len(odd)])
        stream = np.zeros((len(codes), width), np.int64)
        stream[:, : bits - 1] = codes[:, None] >> np.arange(bits - 1) & 1
        stream[:, bits - 1] = (stream.sum(1) + parity) % 2
        yield _Streams(stream, np.full(len(codes), bits))


def _shuffled(rng: np.random.Generator, pieces: list[_Streams]) -> _Streams:
    bits, lengths = (np.concatenate(arrays) for arrays in zip(*pieces))
    order = rng.permutation(len(bits))
    return _Streams(bits[order], lengths[order])


def _streams(length: int, sizes: tuple[int, int, int], seed: int) -> list[_Streams]:
    """Different streams for each part. All bits but the last are drawn, the last gives the parity."""
    if min(sizes) < 1 or sum((n + 1) // 2 for n in sizes) > 2 ** (length - 1):
        raise ArgumentError(
            f"n_train, n_valid, n_test are {', '.join(map(str, sizes))}; each takes at least 1, and there are only "
            f"{2**length} different streams of {length} bits, half of them odd."
        )
    rng = np.random.default_rng(seed)
    drawn = {parity: _prefixes(rng, length - 1, sum((n + parity) // 2 for n in sizes)) for parity in (0, 1)}
    parts = []
    for n in sizes:
        odd = rng.permutation(np.arange(n) < (n + 1) // 2)
        bits = np.empty((n, length), np.int64)
        for parity in (0, 1):
            rows = np.flatnonzero(odd == parity)
            bits[rows, :-1], drawn[parity] = drawn[parity][: len(rows)], drawn[parity][len(rows) :]
        bits[:, -1] = (bits[:, :-1].sum(1) + odd) % 2
        parts.append(_Streams(bits, np.full(n, length)))
    return parts


def _prefixes(rng: np.random.Generator, length: int, n: int) -> NDArray[np.int64]:
    codes = rng.choice(2**length, size=n, replace=False)
    return codes[:, None] >> np.arange(length) & 1


def _published_streams(n: int, seed: int) -> _Streams:
    rng = np.random.RandomState(seed)
    bits, lengths = np.zeros((n, 31), np.int64), np.zeros(n, np.int64)
    for i in range(n):
        lengths[i] = rng.randint(2, 32)
        bits[i, : lengths[i]] = rng.randint(0, 2, size=lengths[i])
    return _Streams(bits, lengths)


def _dense(streams: _Streams) -> Sequences:
    bits, lengths = streams
    return Sequences(bits[:, :, None], streams.parity, None if np.all(lengths == bits.shape[1]) else lengths)


def _runs(streams: _Streams) -> Sequences:
    """A sample at the last bit of each run."""
    bits, lengths = streams
    time = np.arange(bits.shape[1])
    ends = np.append(bits[:, 1:] != bits[:, :-1], np.ones((len(bits), 1), bool), axis=1)
    return _sampled(streams, (time < lengths[:, None] - 1) & ends | (time == lengths[:, None] - 1), unit=1)


def _published_events(streams: _Streams) -> Sequences:
    """A sample at the first bit of each run, and at the last bit of the stream."""
    bits, lengths = streams
    time = np.arange(bits.shape[1])
    begins = np.append(np.ones((len(bits), 1), bool), bits[:, 1:] != bits[:, :-1], axis=1)
    return _sampled(streams, (time < lengths[:, None]) & begins | (time == lengths[:, None] - 1), unit=32)


def _sampled(streams: _Streams, kept: NDArray[np.bool_], unit: int) -> Sequences:
    """Only the bits that are kept, (streams, bits), each with the time since the one kept before."""
    row, time = np.nonzero(kept)
    lengths = kept.sum(1)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    x, dt = np.zeros((len(kept), lengths.max(), 1)), np.ones((len(kept), lengths.max()))
    x[row, place, 0] = streams.bits[row, time]
    dt[row, place] = np.where(place == 0, time + 1, np.diff(time, prepend=0)) / unit
    return Sequences(x, streams.parity, lengths, dt)
