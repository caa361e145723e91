"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

    python scripts/lowest.py > lowest.txt
    pip install -c lowest.txt -e '.[study,control]' pytest pytest-xdist hypothesis ncps

`make lowest` does that and runs the tests. torch keeps the version of constraints.txt: indexes hold few old ones
for a new Python.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("plot", "study", "control", "dev")

# Not ours to bound: what an old version of a package of ours takes, whose newest one warns of it in every import.
COMPANIONS = ("pyparsing<3.3",)  # matplotlib 3.10.0


def lowest() -> dict[str, str]:
    """The lower bound of every package that is asked for directly, by name; the highest where there are several."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = list(project["dependencies"])
    for extra in EXTRAS:
        asked += project["optional-dependencies"][extra]
    found: dict[str, str] = {}
    for one in asked:
        match = re.fullmatch(r"([\w.-]+)(?:>=|==)([\d.]+)", one.partition(";")[0].strip())
        if match is None:
            if one.startswith("wormnet["):
                continue
            raise SystemExit(f"{one!r} has no lower bound of the form name>=version")
        name, version = match.groups()
        found[name] = max(found.get(name, "0"), version, key=lambda text: [int(part) for part in text.split(".")])
    return found


def main() -> None:
    """Run from the command line."""
    bounds = lowest()
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    bounds["torch"] = pinned["torch"]
    del bounds["triton"]  # comes with torch where it is needed
    print(*(f"{name}=={version}" for name, version in bounds.items()), *COMPANIONS, sep="\n")


if __name__ == "__main__":
    main()
