"""What stands about the project in several places is the same in all, and a wheel is proved before it is kept."""

import importlib.util
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

import wormnet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]


def read(name):
    return (ROOT / name).read_text()


def yaml(name):
    return pytest.importorskip("yaml").safe_load(read(name))


def test_the_version_is_the_same_everywhere():
    assert re.findall(r"^## (\S+) - ", read("CHANGELOG.md"), re.MULTILINE)[0] == wormnet.__version__
    assert yaml("CITATION.cff")["version"] == wormnet.__version__
    assert f"wormnet-{wormnet.__version__}-py3-none-any.whl" in read("README.md")


def test_the_citation_has_what_the_format_asks_for():
    """https://github.com/citation-file-format/citation-file-format, 1.2.0: required keys, of references too."""
    cff = yaml("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(cff)
    assert cff["license"] == PROJECT["license"]
    for one in cff["references"]:
        assert {"type", "title", "authors"} <= set(one)


def test_every_python_that_is_supported_is_tested():
    jobs = yaml(".github/workflows/ci.yml")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == PYTHONS == ["3.11", "3.12", "3.13"]
    runs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert runs["test"] == [".ci/run"]
    assert runs["wheel"] == ["make dist"]
    assert runs["lowest"] == ["make lowest"]
    assert runs["docs"] == ["make docs", "make links"]
    assert runs["coverage"][0] == "make coverage"
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in read("docs/compatibility.md")


def test_forms_and_hooks_are_whole():
    for name in ("fault", "wish"):
        form = yaml(f".github/ISSUE_TEMPLATE/{name}.yml")
        assert {"name", "description", "body"} <= set(form)
        for field in form["body"]:
            assert field["type"] == "textarea"
            assert field["attributes"]["label"]
    for hook in yaml(".pre-commit-config.yaml")["repos"][0]["hooks"]:
        assert {"id", "name", "entry", "language"} <= set(hook)


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)[0].split())
    assert set(re.findall(r"\bmake (\w+)\b +#", read("CONTRIBUTING.md") + read("README.md"))) <= targets
    for name in targets:
        assert re.search(rf"^{name}:", read("Makefile"), re.MULTILINE), name


PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]


@pytest.mark.parametrize("page", [*PAGES, "docs/compatibility.md", "docs/ncps.md", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_links_within_the_repository_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#\s]+)", read(page)):
        if "://" not in link:
            home = ROOT if page.startswith(".github") else (ROOT / page).parent
            assert (home / link).exists(), link


def test_addresses_of_the_project_stand_in_pyproject_alone():
    found = subprocess.run(
        ["git", "grep", "-lE", r"github\.com/[^/ ]+/wormnet"], cwd=ROOT, capture_output=True, text=True
    )
    assert set(found.stdout.split()) <= {"pyproject.toml", "tests/test_repository.py"}


# -- scripts/dist.py ---------------------------------------------------------------------------------------------------


@pytest.fixture
def dist():
    spec = importlib.util.spec_from_file_location("dist", ROOT / "scripts" / "dist.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(folder, *, without="", more="", version=wormnet.__version__):
    """A wheel of the right names, nearly."""
    listed = subprocess.run(["git", "ls-files", "src/wormnet"], cwd=ROOT, capture_output=True, text=True, check=True)
    info = f"wormnet-{version}.dist-info/"
    names = [name.removeprefix("src/") for name in listed.stdout.split()]
    names += [info + name for name in ("RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")]
    path = folder / f"wormnet-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in [name for name in names if name != without] + [more] * bool(more):
            file.writestr(name, "")
        about = f"Metadata-Version: 2.4\nName: wormnet\nVersion: {version}\n"
        file.writestr(info + "METADATA", f"{about}Requires-Python: {PROJECT['requires-python']}\n")
    return path


def test_a_whole_wheel_is_accepted(dist, tmp_path):
    dist.prove_content(wheel(tmp_path))


@pytest.mark.parametrize(
    "lost",
    [
        *("py.typed", "study/default.toml", "study/report.html.j2", "wiring/tables/cook2019.csv.gz"),
        *("export/network.c.j2", "live/circuit.js", "compat/ncps/torch.py"),
    ],
)
def test_a_wheel_that_lacks_a_file_is_refused(dist, tmp_path, lost):
    with pytest.raises(SystemExit, match=f"lacks wormnet/{re.escape(lost)}"):
        dist.prove_content(wheel(tmp_path, without=f"wormnet/{lost}"))


def test_a_wheel_with_tests_or_of_another_version_is_refused(dist, tmp_path):
    with pytest.raises(SystemExit, match=r"holds what the repository does not, tests/test_a\.py"):
        dist.prove_content(wheel(tmp_path, more="tests/test_a.py"))
    with pytest.raises(SystemExit, match=r"says Version: 9\.9; pyproject\.toml has"):
        dist.prove_content(wheel(tmp_path, version="9.9"))


def test_the_ten_lines_are_run_and_compared(dist, tmp_path, capsys):
    readme = tmp_path / "README.md"
    lines = "## Ten lines\n\n```python\n>>> import wormnet\n>>> wormnet.dense(2, 3).n_synapses\n{}\n\n```\n\n## Start\n"
    readme.write_text(lines.format(15))
    dist.run_ten_lines(readme)
    assert "2 of README's examples ran" in capsys.readouterr().out
    readme.write_text(lines.format(16))
    with pytest.raises(SystemExit, match=r"gave '15\\n'; README.md has '16\\n'"):
        dist.run_ten_lines(readme)
    readme.write_text("## Start\n")
    with pytest.raises(SystemExit, match="has no ten lines"):
        dist.run_ten_lines(readme)
