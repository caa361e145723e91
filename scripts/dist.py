"""Build wheel and sdist, and prove the wheel: what is in it, and that it works by itself in a fresh environment.

    python scripts/dist.py [FOLDER]      default: dist; `make dist` does this

The wheel holds every tracked file of src/wormnet and nothing else. It is installed without extras, at the versions of
constraints.txt, and has to run the ten lines of README.md; a line that needs an extra has to say how to install it.
"""

import contextlib
import doctest
import io
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "src/wormnet"


def build(folder: Path) -> Path:
    """The wheel, made from the sdist, so that the sdist is proved to be whole."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def prove_content(wheel: Path) -> None:
    """Every tracked file of the package, its metadata and licence, and nothing else."""
    listed = subprocess.run(["git", "ls-files", PACKAGE], cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = {name.removeprefix("src/") for name in listed.stdout.split("\n") if name}
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        info = about.removesuffix("METADATA")
        metadata = Parser().parsestr(file.read(about).decode())
    wanted |= {info + name for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    for word, some in (("lacks", wanted - names), ("holds what the repository does not,", names - wanted)):
        if some:
            raise SystemExit(f"{wheel.name} {word} {', '.join(sorted(some)[:10])}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = re.search(r'"(.+)"', (ROOT / PACKAGE / "_version.py").read_text().partition("__version__")[2])
    assert version is not None
    expected = {"Name": project["name"], "Version": version[1], "Requires-Python": project["requires-python"]}
    for name, value in expected.items():
        if metadata[name] != value:
            raise SystemExit(f"{wheel.name} says {name}: {metadata[name]}; pyproject.toml has {value}")


def prove_alone(wheel: Path) -> None:
    """In a fresh environment without extras it runs README's ten lines, and its command."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        programs = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin")
        pip = [programs / "python", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "-c", ROOT / "constraints.txt", wheel], check=True)
        # Not from the checkout: -I keeps its folder off the path.
        alone = {"cwd": folder, "check": True}
        subprocess.run([programs / "python", "-I", __file__, "--ten-lines", ROOT / "README.md"], **alone)
        subprocess.run([programs / "wormnet", "wiring", "list"], **alone, stdout=subprocess.DEVNULL)


def run_ten_lines(readme: Path) -> None:
    """Run the examples of README's first section, in the environment that this is run in."""
    from wormnet.errors import WormnetError

    text = readme.read_text().partition("## Ten lines")[2].partition("\n## ")[0].replace("```", "")
    examples = doctest.DocTestParser().get_examples(text)
    if not examples:
        raise SystemExit(f"{readme} has no ten lines")
    names: dict[str, object] = {}
    for example in examples:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(example.source, str(readme), "single"), names)
        except WormnetError as error:
            if 'pip install "wormnet[' not in str(error):
                raise
            print(f"without extras: {error}")
            continue
        if not doctest.OutputChecker().check_output(example.want, printed.getvalue(), doctest.NORMALIZE_WHITESPACE):
            raise SystemExit(f"{example.source}gave {printed.getvalue()!r}; README.md has {example.want!r}")
    print(f"{len(examples)} of README's examples ran in {sys.prefix}")


def main() -> None:
    """Run from the command line."""
    if sys.argv[1:2] == ["--ten-lines"]:
        run_ten_lines(Path(sys.argv[2]))
        return
    wheel = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
    prove_content(wheel)
    prove_alone(wheel)
    print(f"{wheel} holds the package and works by itself")


if __name__ == "__main__":
    main()
