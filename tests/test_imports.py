"""What importing does and does not do, who may import whom, and that every public name is there and explained."""

import ast
import importlib
import importlib.metadata
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wormnet

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "wormnet"

# Each may import those before it and itself.
LAYERS = [
    *("_version", "errors", "paths", "atomic", "statistics", "wiring", "models", "engine", "nn", "compat", "testing"),
    *("export", "plot", "data", "audit", "live", "control", "study", "estimators", "zoo", "cli", "__main__"),
]

OPTIONAL = {
    "plot": {"plot"},
    "audit": {"plot", "study"},
    "study": {"study", "cluster", "plot"},
    "compat": {"plot", "keras"},
    "estimators": {"study"},
    "wiring": {"cect"},
    "cli": {"study", "plot"},
    "control": {"control", "outside"},
    "export": {"export"},
}
"""Extras whose packages a layer may import; all others live by the core dependencies."""

COMES_WITH = {"triton": "torch", "llvmlite": "numba", "markupsafe": "jinja2"}
"""Packages that a declared one installs itself, in the version that it works with, as a part of its interface."""


def fresh(code):
    """What a new interpreter prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT / "tests"
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def third_party(code):
    """The top-level names that `code` adds to sys.modules, without those of Python itself."""
    return set(
        fresh(
            "import json, sys\nbefore = set(sys.modules)\n" + code + "\n"
            "added = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
            "print(json.dumps(sorted(added - set(sys.stdlib_module_names))))"
        )
    )


NUMPY = third_party("import numpy.random")


def test_importing_wormnet_imports_numpy_and_nothing_else():
    assert "numpy" in NUMPY
    assert third_party("import wormnet") <= {"wormnet"} | NUMPY


def test_wirings_are_made_without_torch():
    added = third_party("import wormnet\nwormnet.auto_ncp(inputs=3, neurons=5, outputs=1).digest")
    assert added <= {"wormnet"} | NUMPY


def test_layers_are_made_without_what_they_do_not_need():
    added = third_party("import wormnet\nwormnet.LTC(wormnet.dense(2, 3), backend='reference')")
    assert not added & {"matplotlib", "pandas", "scipy", "sklearn", "pytorch_lightning", "optuna", "rich", "pooch"}


def test_a_call_does_not_import_torchs_exporter():
    code = "import json, sys, torch, wormnet\nrnn = wormnet.LTC(wormnet.dense(2, 3), backend='reference')\n"
    assert not fresh(code + "rnn(torch.zeros(1, 1, 2))\nprint(json.dumps('torch.onnx' in sys.modules))")


def test_importing_changes_nothing_global():
    """Random states, dtype, threads, warnings, logging, locale, environment, signals, hooks."""
    changed = fresh(
        """
import importlib, json, locale, logging, os, random, signal, sys, warnings
import numpy, torch
try:
    import matplotlib.pyplot, pooch, numba, networkx, safetensors.torch, rich
except ImportError:
    pass

def state():
    kind, keys, *rest = numpy.random.get_state()
    return {
        "random": random.getstate(), "numpy": (kind, keys.tolist(), rest), "torch": torch.get_rng_state().tolist(),
        "dtype": str(torch.get_default_dtype()), "device": str(torch.get_default_device()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()), "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(), "printing": numpy.get_printoptions(),
        "errors": numpy.geterr(), "warnings": [str(f) for f in warnings.filters],
        "logging": (logging.root.level, len(logging.root.handlers), logging.raiseExceptions),
        "locale": locale.setlocale(locale.LC_ALL), "environment": dict(os.environ), "directory": os.getcwd(),
        "path": list(sys.path), "hooks": (repr(sys.excepthook), repr(sys.displayhook)),
        "limit": sys.getrecursionlimit(), "signals": [str(signal.getsignal(s)) for s in signal.valid_signals()],
        "figures": str("matplotlib" in sys.modules and sys.modules["matplotlib"].rcParams),
    }

before, changed = state(), []
for name in ("", ".wiring.files", ".models", ".engine.dispatch", ".nn", ".testing", ".export", ".plot", ".data"):
    importlib.import_module("wormnet" + name)
    after = state()
    changed += [name + ": " + key for key in before if before[key] != after[key]]
print(json.dumps(changed))
"""
    )
    assert changed == []


# -- who imports whom --------------------------------------------------------------------------------------------------


def modules():
    """(name, path) of every file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path, module):
    """(name, line) of everything that a file imports, at its top or inside of functions, absolute.

    Of `import wormnet` it is what is then used: wormnet.LTC.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name != "wormnet")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wormnet":
            yield f"wormnet.{node.attr}", node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((str(one.value), node.lineno) for one in node.args[:1] if isinstance(one, ast.Constant))


def layer_of(name):
    """The layer that a name of wormnet lives in; of a public name, the one that it is defined in."""
    first = name.split(".")[1] if "." in name else ""
    if first in LAYERS:
        return first
    if first in ("", "*"):
        return "cli"  # all of it
    if (PACKAGE / f"{first}.py").exists() or (PACKAGE / first).is_dir():
        raise AssertionError(f"{first} has no place among the layers")
    found = getattr(wormnet, first)
    return layer_of(found.__module__) if hasattr(found, "__module__") else "_version"


def test_every_part_of_the_package_has_its_place_among_the_layers():
    parts = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert parts - {"__init__", "__pycache__"} == set(LAYERS) - {
        layer for layer in LAYERS if not (PACKAGE / layer).exists() and not (PACKAGE / f"{layer}.py").exists()
    }


def test_imports_point_upwards_in_the_list_of_layers_only():
    wrong = []
    for module, path in modules():
        if module in ("wormnet", "wormnet.__main__"):
            continue  # the root names them all, lazily
        own = LAYERS.index(layer_of(module))
        for name, line in imported(path, module):
            if name.split(".")[0] == "wormnet" and LAYERS.index(layer_of(name)) > own:
                wrong.append(f"{module}:{line} imports {name}")
    assert wrong == []


# -- what is declared --------------------------------------------------------------------------------------------------


def declared(extras=()):
    """Normalised names of the distributions that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = list(project["dependencies"])
    for extra in extras:
        asked += project["optional-dependencies"].get(extra, [])
    return {_normal(re.match(r"[\w.-]+", one)[0]) for one in asked}


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


PROVIDERS = importlib.metadata.packages_distributions()


def undeclared(path, module, extras):
    wanted = declared(extras)
    for name, line in imported(path, module):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top == "wormnet":
            continue
        providers = {_normal(one) for one in PROVIDERS.get(top, [top])} | {COMES_WITH.get(top)}
        if not providers & wanted:
            yield f"{path.relative_to(ROOT)}:{line} imports {top}"


def test_every_package_that_the_source_imports_is_declared():
    wrong = []
    for module, path in modules():
        layer = module.split(".")[1] if "." in module else ""
        wrong += undeclared(path, module, OPTIONAL.get(layer, ()))
    assert wrong == []


def test_examples_import_only_what_is_declared():
    """B26 and B28: examples of ncps imported a package that it does not install."""
    wrong = []
    for path in sorted((ROOT / "examples").rglob("*.py")):
        wrong += undeclared(path, path.stem, ("study", "plot", "control", "export"))
    assert wrong == []


# -- public names ------------------------------------------------------------------------------------------------------

PACKAGES = ["wormnet"] + [
    f"wormnet.{info.name}" for info in pkgutil.iter_modules([str(PACKAGE)]) if info.name in LAYERS[1:]
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there_once_and_explained(name):
    module = importlib.import_module(name)
    assert module.__doc__
    names = getattr(module, "__all__", [])
    assert len(names) == len(set(names))
    for one in names:
        found = getattr(module, one)
        if inspect.isclass(found):
            assert vars(found).get("__doc__"), f"{name}.{one} has no docstring of its own"
        elif inspect.isroutine(found) or inspect.ismodule(found):
            assert found.__doc__, f"{name}.{one} has no docstring"
        assert one in dir(module)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'wormnet' has no attribute 'LSTM'"):
        _ = wormnet.LSTM


# -- who knows a model by its name -------------------------------------------------------------------------------------

MAY_NAME_MODELS = ("nn/__init__.py", "nn/layers.py", "nn/convert.py")
BUILT_IN = {"ltc", "cfc", "ctrnn", "LTC", "CfC", "CTRNN"}


def names_of_models(path):
    """(line, what) wherever a file asks which model it has: by class, by name, or by an isinstance of a model."""
    tree = ast.parse(path.read_text())
    texts = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in BUILT_IN and id(node) not in texts:
            yield node.lineno, f"names {node.value!r}"
        elif isinstance(node, (ast.Name, ast.alias)) and getattr(node, "id", getattr(node, "name", "")) in BUILT_IN:
            yield node.lineno, "uses the class of a model"
        elif isinstance(node, ast.Attribute) and node.attr in BUILT_IN:
            yield node.lineno, f"uses {node.attr}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked = ast.unparse(node.args[0])
            kind = ast.unparse(node.args[1])
            if asked.split(".")[-1] == "model" and kind not in ("Model", "str"):
                yield node.lineno, f"asks {ast.unparse(node)}"


def test_engines_layers_and_exports_ask_no_model_which_one_it_is():
    """The stepper too: what an engine has to know of a model stands in the model's own file."""
    wrong = []
    for folder in ("engine", "export", "nn"):
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            name = path.relative_to(PACKAGE).as_posix()
            if name not in MAY_NAME_MODELS:
                wrong += [f"{name}:{line} {what}" for line, what in names_of_models(path)]
    assert wrong == []
