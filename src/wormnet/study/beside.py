"""Several studies beside each other: one summary whose networks carry the letter of their study."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from wormnet.errors import ArgumentError
from wormnet.study.summary import Summary

__all__ = ["beside"]

_DIFFERS = ("training", "tuning", "measures", "data", "folds", "seeds", "accelerator", "is_quick")


def beside(studies: Sequence[Summary]) -> Summary:
    """One summary of several studies, named A, B, ... in their order; a network in A is compared with itself in B.

    A data set is one where all that run it have the same metric and the same data in each fold; else each study has
    its own, by its letter.

    Raises: ArgumentError for more studies than letters.
    """
    if len(studies) > len(ascii_uppercase):
        raise ArgumentError(
            f"{len(studies)} studies were given; at most {len(ascii_uppercase)} stand beside each other."
        )
    letters = ascii_uppercase[: len(studies)]
    shared = _shared(studies)
    about: dict[str, Any] = {**studies[0].about, "factorial": None, "networks": {}, "metrics": {}, "datasets": {}}
    runs: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    prices: dict[str, dict[str, dict[str, float]]] = {}
    for letter, one in zip(letters, studies):

        def dataset(name: str, letter: str = letter) -> str:
            return name if name in shared else f"{name} [{letter}]"

        def named(record: dict[str, Any], letter: str = letter) -> dict[str, Any]:
            new = {"dataset": dataset(record["dataset"], letter), "network": f"{record['network']} [{letter}]"}
            return {**record, **new}

        about["networks"] |= {f"{name} [{letter}]": _network(one, name, letter) for name in one.main}
        about["metrics"] |= one.about["metrics"]
        about["datasets"] |= {dataset(name): told for name, told in one.datasets.items()}
        kept = {*one.main}
        runs += [named(run) for run in one.runs if run["network"] in kept]
        failed += [named(record) for record in one.failed if record["network"] in kept]
        for name, of in one.prices.items():
            prices.setdefault(dataset(name), {}).update(
                {f"{network} [{letter}]": price for network, price in of.items()}
            )
    first = studies[0].main
    about["comparisons"] = [
        [f"{name} [{letters[0]}]", f"{name} [{letter}]"]
        for letter, one in zip(letters[1:], studies[1:])
        for name in first
        if name in one.networks
    ]
    about["reference"] = f"{studies[0].about['reference']} [{letters[0]}]"
    names = [one.about["plan"]["name"] for one in studies]
    about["plan"] = {
        **studies[0].about["plan"],
        "name": " beside ".join(dict.fromkeys(names)),
        "networks": list(about["networks"]),
    }
    about["studies"] = {letter: one.about for letter, one in zip(letters, studies)}
    about["differences"] = _differences(about["studies"])
    undefined = sum(one.undefined for one in studies)
    return Summary(about, runs, failed, [], prices, undefined)


def _network(study: Summary, name: str, letter: str) -> dict[str, Any]:
    told = study.networks[name]
    return {**told, "null_of": told["null_of"] and f"{told['null_of']} [{letter}]", "size_of": None}


def _shared(studies: Sequence[Summary]) -> set[str]:
    """The data sets that are the same one in all studies that have them."""

    def content(study: Summary, name: str) -> Any:
        digests = {(run["fold"], run["spec"].get("data")) for run in study.runs if run["dataset"] == name}
        return study.datasets[name]["metric"], dict(sorted(digests, key=str))

    found: set[str] = set()
    for name in dict.fromkeys(name for one in studies for name in one.datasets):
        contents = [content(one, name) for one in studies if name in one.datasets]
        metrics, digests = zip(*contents)
        folds = set.intersection(*(set(one) for one in digests))
        if len(set(metrics)) == 1 and all(len({one[fold] for one in digests}) == 1 for fold in folds):
            found.add(name)
    return found


def _differences(studies: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the plans, the versions and the machines do not have in common: a row for each, a cell for each study."""
    flat = {letter: _flat({key: about["plan"].get(key) for key in _DIFFERS}) for letter, about in studies.items()}
    for letter, about in studies.items():
        flat[letter] |= _flat({key: about["environment"].get(key) for key in ("versions", "machine", "commit")})
    names = list(dict.fromkeys(name for one in flat.values() for name in one))
    rows = [{"setting": name, **{letter: one.get(name) for letter, one in flat.items()}} for name in names]
    return [row for row in rows if len({str(row[letter]) for letter in studies}) > 1]


def _flat(content: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{place}{key}.")
        else:
            found[f"{place}{key}"] = value
    return found
