"""HalfCheetah: the next state of a simulated runner, from recordings of a trained controller."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, Files
from wormnet.data.dataset import Dataset, guess
from wormnet.data.download import fetch
from wormnet.data.files import array, float32
from wormnet.data.sequences import Sequences
from wormnet.data.windows import deal, fold_of, read_length
from wormnet.errors import ArgumentError, DataError

__all__ = ["ABOUT", "baselines", "load"]

_FOLDS = 5
_COMMIT = "4a8a4fa22a91c4067b6944a264819ff30a4aae9d"
ABOUT = About(
    name="halfcheetah",
    summary="17 joint positions and velocities of a simulated runner; those of the next step",
    split="by file: train 15-24, valid 0, 3 and 4, test 5-14 (25-30 are not used); published with 1 and 2, a runner "
    "that has fallen, in valid; or 5 folds of the 29 others, `fold` to test",
    source=f"github.com/raminmh/liquid_time_constant_networks, commit {_COMMIT[:7]}",
    licence="Apache-2.0",
    citation="Hasani, Lechner, Amini, Rus & Grosu 2021, Liquid Time-constant Networks, AAAI 35, 7657-7666",
    seed="nothing",
    protocols=("clean", "published"),
    files=Files(
        folder="halfcheetah",
        url=f"https://raw.githubusercontent.com/raminmh/liquid_time_constant_networks/{_COMMIT}"
        "/experiments_with_ltcs/data/cheetah",
        sha256={
            "trace_0000.npy": "c043e141c6dd99e9b41ac7a9d4bc741b0991cff6a769954517e9c204ce3c7ccc",
            "trace_0001.npy": "f231fe66284b535c745f9f44a595aac2f740b988171d3db3201597e821c6c5d3",
            "trace_0002.npy": "7ff8a0c8974247187717417f6a163023b739c3a22a374894becff1723ce67f68",
            "trace_0003.npy": "28109a8f9eae1ec0246aca4f5bfa10ebf21e9f86e62e448b9f8b66f345091680",
            "trace_0004.npy": "b478f21d00868db66d6aef8a14ed69f6214120870cc1491dec85a3f74aeb46eb",
            "trace_0005.npy": "45e6288f3d5ba610b98aea300c117b032c6585144eb55e7f7fb67178d71eb4d6",
            "trace_0006.npy": "ab93f0d3b9e0c5f1a7886a089e76d5ff99f955ad0671f23d98351d05fecf4913",
            "trace_0007.npy": "e29bc1ffee113f760b3efd33831dea0485626e2deddc1ee7a81baf30344aeaaa",
            "trace_0008.npy": "c7028a2301720e65a31f608d362c03f811aca977ebb0f3ee0d6985bc4f6f1c2c",
            "trace_0009.npy": "937afdd66e3c6487a48b1d04c2f2120ba24be563296f5bfaa8bef741083c7b7c",
            "trace_0010.npy": "625dbb7c7f8451816799b3dcd47d20ace4a82019e52d467e7a985422551be890",
            "trace_0011.npy": "d230f2c43a84462fda2f5af28480f7a2b7945f032731587fca896229dc3b02dc",
            "trace_0012.npy": "feef3754c2c547fdd7cfd697323eea81b212c854bfd3029f04048e277b9399c1",
            "trace_0013.npy": "53e9e0d128f9e21def2ee015bc41c40184b22df5928d05f5a978687d3696c76d",
            "trace_0014.npy": "f022f778ad332f8c6986709ca27dd18823130bb3a7f71f646c8a5ccdc483acda",
            "trace_0015.npy": "bcb9e34a17317e31f22ef71d82aa180c282ab08b81a21bfcfefb827dabbd8ee8",
            "trace_0016.npy": "7d22f86d205728c7c106d43c97cfc4038621700bc88bf4081855e1c01b2c9229",
            "trace_0017.npy": "403d52608b364089a4c8d48cc89758eacdb89b572ef6ca0c0829a4cf40fb063c",
            "trace_0018.npy": "6d8322ec8351fb68ec11e4173ed23c4c247c23faa4e66be6cfa3dbeec0717e5a",
            "trace_0019.npy": "7354afb2041a1af8117f0c2dca36f57cd489d6bb77f939bc81d134409836b358",
            "trace_0020.npy": "9d22d9138c0fd51eaa8271e484ce0a5b3c3f8ef592f5c91cf55933af4091e4d2",
            "trace_0021.npy": "363b31828ed262556cb987dc7ad470c8c039e6ca492a92e9139d4ab5422924d1",
            "trace_0022.npy": "27f624129fdeca0c4fa40499cb48ba5321d2bfd9b4effd0de189124de9fb7a5f",
            "trace_0023.npy": "680f5675eed8d8cc62ca9fcba2fe0f23a2acbad51019b7bb0d3954dc6e607e9b",
            "trace_0024.npy": "ae98a98829f61ec23260818743e7f659601641c459a4a797a8df86e235ec4b85",
            "trace_0025.npy": "a2488d0aaf847990f1a90f302803891b51dc5ba40e28e94f044ca11e428292ae",
            "trace_0026.npy": "bc9acb935a821810ecef4050b6d1e9e7bdb992601b70393492efa9c471e26c0c",
            "trace_0027.npy": "573e85ef1bda7c22583f362de712e62a33e8f9be319bf1bf4d754d822edfe701",
            "trace_0028.npy": "a20bdc1de0904a0522128db016d592f2ef95559ae9b6623e1496cb590bd552e0",
            "trace_0029.npy": "49f13631038f37b52e1fd929ecf430d02a6f140a32b43bec764855db41780c78",
            "trace_0030.npy": "f5b868f5886f5014fc2f4060fcce9694c0e30b03fc9e402ae6da3805da9d6a65",
        },
    ),
    folds=_FOLDS,
    residual=True,
)

_SHAPE = (1000, 17)
_TRAIN, _VALID, _TEST = range(15, 25), range(5), range(5, 15)
_FALLEN = (1, 2)
_STRIDE = 10
_LAGS = 4  # the most that the baselines look back
_PUBLISHED_LENGTH = 32


def load(
    protocol: str = "clean", seed: int = 0, *, length: int = 32, fold: int | None = None, fallen: bool = False
) -> Dataset:
    """Windows of 31 recordings of 1000 steps x 17 numbers; the target of a step is the state of the next one.

    The numbers are those of the simulator (8 positions in m and rad, 9 velocities in m/s and rad/s), neither scaled
    nor shifted, in float32; the mean squared error is over all 17 alike, so it is mostly that of the velocities.

    In recordings 1 and 2 the runner has fallen over: least squares fitted to the others is wrong there by 17 and 74
    instead of 2.6 to 5.0. They would decide alone which epoch is the best one, so clean leaves them out of valid.

    Clean: train is cut into windows that begin every 10 steps; valid and test into windows that do not overlap, so
    that each step counts once (the last steps of a recording that fill no window are left out).

    Published: all three parts are cut every 10 steps, as in the authors' code (970, 485 and 970 windows of 32 steps).
    The files of each part, the dtype and the absence of scaling are theirs as well.

    Args:
        protocol: "clean" or "published".
        seed: changes nothing; nothing here is random.
        length: steps in a window, 1 to 999; published 32.
        fold: None: the published files; 0 to 4: a fifth of the 29 recordings of a running runner to test, 3 others for
            validation.
        fallen: test on recordings 1 and 2 instead, which are unlike everything in train; otherwise they are the
            `unfamiliar` parts of the clean data set.

    Raises:
        ArgumentError: for a length or fold that cannot be.
        DataError: if the files cannot be had.

    Source: Hasani et al. 2021, AAAI 35, 7657-7666, Table 6.
    """
    published = protocol == "published"
    length = read_length(length, _SHAPE[0] - 1, _PUBLISHED_LENGTH if published else None)
    fold = fold_of(fold, _FOLDS)
    if not isinstance(fallen, bool):
        raise ArgumentError(f"fallen is {fallen!r}; it takes True or False.")
    if published and (fold is not None or fallen):
        raise ArgumentError("the published split has no folds and tests no fallen runner; leave fold, fallen out.")
    files = ABOUT.files
    assert files is not None
    traces = [_read(path) for path in fetch(files).values()]
    train, valid, test = (_TRAIN, _VALID, _TEST) if published else _split(fold)
    stride = _STRIDE if published else length
    parts = [
        _windows([traces[i] for i in train], length, _STRIDE),
        _windows([traces[i] for i in valid], length, stride),
        _windows([traces[i] for i in (_FALLEN if fallen else test)], length, stride),
    ]
    if published:
        return ABOUT.dataset(parts, protocol, baselines)
    return ABOUT.dataset(
        *(parts, protocol, baselines),
        redraw=partial(_windows, [traces[i] for i in train], length, _STRIDE),
        unfamiliar={} if fallen else {f"recording {i}": _windows([traces[i]], length, stride) for i in _FALLEN},
        recordings=np.repeat(valid, len(parts[1]) // len(valid)).tolist(),
    )


def _split(fold: int | None) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Recordings of the parts, without those of a runner that has fallen."""
    if fold is None:
        return _TRAIN, [i for i in _VALID if i not in _FALLEN], _TEST
    running = np.array([i for i in range(31) if i not in _FALLEN])
    folds = [running[rows] for rows in deal(np.zeros(len(running)), _FOLDS)]
    rest = np.random.default_rng(0).permutation(np.concatenate([f for k, f in enumerate(folds) if k != fold]))
    return np.sort(rest[3:]).tolist(), np.sort(rest[:3]).tolist(), folds[fold].tolist()


def _read(path: Path) -> NDArray[np.float32]:
    trace = float32(array(path), path)
    if trace.shape != _SHAPE:
        raise DataError(f"{path} holds an array of shape {trace.shape}; a recording has {_SHAPE}.")
    return trace


def _windows(traces: list[NDArray[np.float32]], length: int, stride: int, epoch: int = 0) -> Sequences:
    """Windows of `length` steps, one every `stride` steps, and the states that follow; each epoch begins elsewhere."""
    rng, cuts = np.random.default_rng(epoch), []
    for trace in traces:
        first = int(rng.integers(min(stride, len(trace) - length))) if epoch else 0
        cuts += [(trace, start) for start in range(first, len(trace) - length, stride)]
    x = np.stack([trace[start : start + length] for trace, start in cuts])
    y = np.stack([trace[start + 1 : start + length + 1] for trace, start in cuts])
    return Sequences(x, y)


def _lagged(part: Sequences) -> NDArray[np.float64]:
    """The last 4 samples, newest first, and a constant: (samples, 4 inputs + 1); before a window lies its first one."""
    time = part.x.shape[1]
    padded = np.concatenate([np.repeat(part.x[:, :1], _LAGS - 1, axis=1), part.x], axis=1).astype(np.float64)
    columns = [padded[:, _LAGS - 1 - k : _LAGS - 1 - k + time][part.mask] for k in range(_LAGS)]
    return np.concatenate([*columns, np.ones((len(columns[0]), 1))], axis=1)


def _sums(part: Sequences) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of products of the samples with each other and with the targets: all that least squares needs."""
    gram = moment = 0.0
    for start in range(0, len(part), 500):  # all lagged samples at once would be a third of a gigabyte for walker2d
        some = part[start : start + 500]
        seen = _lagged(some)
        gram, moment = gram + seen.T @ seen, moment + seen.T @ some.targets.astype(np.float64)
    return np.asarray(gram), np.asarray(moment)


def baselines(dataset: Dataset) -> dict[str, float]:
    """Mean squared error of the mean, of "all stays as it is", and of least squares on the last 1, 2 and 4 samples."""
    test = dataset.test.targets
    stays = dataset.test.x[dataset.test.mask]
    scores = {**guess(dataset), "persistence": float(np.mean((stays - test) ** 2, dtype=np.float64))}
    gram, moment = _sums(dataset.train)
    asked = _lagged(dataset.test)
    for lags in (1, 2, 4):
        columns = np.r_[: dataset.n_inputs * lags, len(gram) - 1]
        weights = np.linalg.lstsq(gram[np.ix_(columns, columns)], moment[columns], rcond=None)[0]
        error = asked[:, columns] @ weights - test
        scores[f"linear on {lags} lag{'s' if lags > 1 else ''}"] = float(np.mean(error**2))
    return scores
