"""Steering a small car by lidar: what a driver did at each step of 29 drives past obstacles."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, Files, whole
from wormnet.data.dataset import Dataset, guess
from wormnet.data.download import fetch
from wormnet.data.files import arrays_of, float32, text
from wormnet.data.sequences import Sequences
from wormnet.errors import ArgumentError, DataError

__all__ = ["ABOUT", "baselines", "load"]

_COMMIT = "8069bb226c7ecbf5f524dd16c14af7b2c1232c3a"
ABOUT = About(
    name="lidar",
    summary="541 lidar ranges of a driving robot; the steering command of the same step",
    split="by drive: 5 folds of the 29 drives, `fold` to test, as many others for validation; train also mirrored",
    source=f"github.com/mlech26l/icra_lds, commit {_COMMIT[:7]}",
    licence="GPL-3.0",
    citation="Lechner, Hasani, Rus & Grosu 2020, Gershgorin Loss Stabilizes the Recurrent Neural Network "
    "Compartment of an End-to-end Robot Learning Scheme, ICRA",
    seed="which of the drives that are not to test are held out for validation",
    files=Files(
        folder="lidar_icra2020",
        packed=("icra2020_lidar_repacked.npz", "552bb51427f87f4205bbbacf57fb5dd5c9287a54076a8fc9e81edf3fb21dee2e"),
        url=f"https://raw.githubusercontent.com/mlech26l/icra_lds/{_COMMIT}/training_data",
        sha256={
            "trace_0001.csv": "cf7a53d12634dba3c26a40e5083062bfba357a7d169127a403dd50355362e432",
            "trace_0002.csv": "aa55fef86e019230cec8eaf4ea250063a1b3f52a5fb331b79f787865ec67fa7c",
            "trace_0003.csv": "d533dc3f0561c0bb80b35e700756fc32a9e59f6605c5da996d690131af2ad797",
            "trace_0004.csv": "c85c067ab38ab02dde3a5df5e7e837234dce964ae9fa064159db912f2c12ed2a",
            "trace_0005.csv": "80c8acd545fdc060e735f7bb97fb2000bd320b78441c51547c32fdd3e413d8c2",
            "trace_0006.csv": "14e9b165b54d8329a31fbc3e9a5dcd4670fef09c1fef181d4fbf8d4b884aba99",
            "trace_0007.csv": "dc4cbf0bfae02ab4ae45b1022fe9aca7915ac1b8cf67949c0337805884172c62",
            "trace_0008.csv": "507dc9381abcb81baa4ce58e5ba017931c55e6daa374128f1bc2d3cda44bc6a4",
            "trace_0009.csv": "4d073e08b2088765efa05332ee65cbcb34c76298c1eb5d567917003bda589f67",
            "trace_0010.csv": "679600e0a417c67cb192e2dc9ddc093a10a548ac94eaa004a0678c271214f1d8",
            "trace_0011.csv": "29b10c3b2918fd3f45518805e80337d799b8517caebe7210858a96c26c7adb32",
            "trace_0012.csv": "1c3ac874a91861bdc914b5908fbb9935a2d444d83e2cf816e075735df220f67c",
            "trace_0013.csv": "2d54bbeea948b7441b17c8ef8eb3634f8c1f7c151f3635b976c2102e9feebf91",
            "trace_0014.csv": "6a025ee05ee1539016b780dfcfd639ae0fa069be15853e0246b036c8c444571c",
            "trace_0015.csv": "9d4a32221500d6d735d092f09b8f860743d6dec26d5997ff58e12dd8191ae540",
            "trace_0016.csv": "8553a324a33cc373a2fabd1605e9986daee3bcc0bf496cea864b69b2569575d5",
            "trace_0017.csv": "f00006be7c07a6e7ba95d986ae6b4d499b6ef5ced3c934b0504e9537b7b6f9aa",
            "trace_0018.csv": "d4b55c5282b3f52d2fd05cb61685d7533b7b56cbfd409e9a6a17097f5f23eae9",
            "trace_0019.csv": "9e8cca6a91f5efddf73ba870fcd369118ee694406db69c083c00be79c5c16aae",
            "trace_0020.csv": "b7aa902bfd2e52456d6d1b0e42728c2950625a828e0084220fc4e34f94067134",
            "trace_0021.csv": "89aaa3bc164cb23c320a38fa0987bae4e86027b9235351f9018d46b2bdb698e1",
            "trace_0022.csv": "72fc888599704df4fc18b8b87a5e7f64af734cccabfcd9a4dfd829180a311c59",
            "trace_0023.csv": "eec6e6b72d95648487d50614f8a52e13a35bd24561933b57a3dfee3109cdc401",
            "trace_0024.csv": "6fc50800dcb97b6c18af2d88d57804a0983c2f90e55b545f3d963ddb250c3b94",
            "trace_0025.csv": "01ce7b19ea6b1d038529f23877ccfe2220cd09f5847c68b878c477dae1d37d01",
            "trace_0026.csv": "75f0eb936e4af76a7f23469e1b063e4449fe5ad86439bf2fc067002f71f2e7b1",
            "trace_0027.csv": "1c300457085cf1e0560a35508cae70d840c8ea60d4ea4449b285f91df953000a",
            "trace_0028.csv": "f25fa6fc75543ca046711d86b2b8fad178d30d9cf7d7e821afd14a6d5671dba8",
            "trace_0029.csv": "4c3f1d8add360700a74b416c38e7d14442980dc771bcc31c6b6a0e5ef114c51d",
        },
    ),
    folds=5,
)

_RAYS = 541
_FOLDS = 5
_STRENGTHS = 10.0 ** np.arange(-2, 6)


def load(protocol: str = "clean", seed: int = 0, *, fold: int = 0, mirror: bool = True) -> Dataset:
    """29 drives of 66 to 432 steps: 541 ranges (as recorded, at most 7.7), and the steering command in -1..1.

    Each drive is in one part only. The folds are always the same, so that the scores of all five together are a
    cross-validation over every drive. The two numbers of the robot's state estimator are left out.

    Args:
        protocol: "clean".
        seed: which drives are held out for validation.
        fold: 0 to 4, the fold to test.
        mirror: train also on each drive with left and right exchanged: the rays in reverse, the command negated.

    Raises:
        ArgumentError: for a fold that there is not.
        DataError: if the files cannot be had.

    Source: Lechner et al. 2020, ICRA.
    """
    if not 0 <= whole("fold", fold) < _FOLDS:
        raise ArgumentError(f"fold is {fold}; it takes 0 to {_FOLDS - 1}.")
    drives = _drives()
    folds = np.array_split(np.random.default_rng(0).permutation(len(drives)), _FOLDS)
    test = folds[fold]
    rest = np.random.default_rng(seed).permutation(np.concatenate([f for i, f in enumerate(folds) if i != fold]))
    valid, train = np.sort(rest[: len(test)]), np.sort(rest[len(test) :])
    parts = [[drives[i] for i in rows] for rows in (train, valid, np.sort(test))]
    if mirror:
        parts[0] += [(x[:, ::-1], -y) for x, y in parts[0]]
    sequences = [Sequences.from_list([x for x, _ in part], [y for _, y in part]) for part in parts]
    return ABOUT.dataset(sequences, protocol, baselines)


def _drives() -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    files = ABOUT.files
    assert files is not None
    paths = fetch(files)
    if not (files.packed and files.packed[0] in paths):
        return [_read(path) for path in paths.values()]
    path = paths[files.packed[0]]
    held = arrays_of(path, [f"{kind}_{i}" for i in range(len(files.sha256)) for kind in "xy"])
    drives = [(float32(held[f"x_{i}"], path), float32(held[f"y_{i}"], path)) for i in range(len(files.sha256))]
    for i, (x, y) in enumerate(drives):
        if x.ndim != 2 or x.shape[1] != _RAYS or y.shape not in {(len(x),), (len(x), 1)}:
            raise DataError(
                f"{path}: drive {i} has shapes {x.shape} and {y.shape}; it takes (steps, {_RAYS}), (steps,)."
            )
    return [(x, y.reshape(-1, 1)) for x, y in drives]


def _read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The ranges (steps, 541) and the command (steps, 1). A row is: step, two states, the ranges, the command."""
    lines = text(path).split()
    try:
        table = (
            np.loadtxt(lines, delimiter=",", comments=None, dtype=np.float32, ndmin=2)
            if lines
            else np.zeros((0, 0), np.float32)
        )
    except ValueError as error:
        raise DataError(f"{path} is no table of numbers: {str(error)[:200]}.") from None
    if table.shape[1] != _RAYS + 4:
        raise DataError(f"{path} has {table.shape[1]} columns; a drive has {_RAYS + 4}.")
    float32(table, path)
    return table[:, 3:-1], table[:, -1:]


def baselines(dataset: Dataset) -> dict[str, float]:
    """Mean squared error of the mean command, and of ridge regression on single frames (strength chosen on valid)."""
    parts = (dataset.train, dataset.valid, dataset.test)
    x, valid_x, test_x = (part.x[part.mask].astype(np.float64) for part in parts)
    y, valid_y, test_y = (part.targets.astype(np.float64) for part in parts)
    x0, y0 = x.mean(0), y.mean(0)
    gram, moment = (x - x0).T @ (x - x0), (x - x0).T @ (y - y0)
    all_weights = [np.linalg.solve(gram + strength * np.eye(len(gram)), moment) for strength in _STRENGTHS]
    weights = min(all_weights, key=lambda w: np.mean(((valid_x - x0) @ w + y0 - valid_y) ** 2))
    return {**guess(dataset), "ridge on single frames": float(np.mean(((test_x - x0) @ weights + y0 - test_y) ** 2))}
