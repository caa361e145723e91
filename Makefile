# make study: install, then train worm-wired and standard networks side by side and write a report.
# make test:  install, then run every check and test.
# make check: install, then run the checks and the tests that compile nothing: under a minute, before every commit.
# make bench: install, then time the layers beside their peers, ncps under torch.compile too, which takes most of an hour
#             to compile; $(BIN)/python benchmarks/run.py leaves that out and takes five minutes.
# make docs:  install, then build the documentation site into $(SITE); a warning is an error.
# make links: install, then ask every link of the site to another site whether it leads somewhere; needs a network.
# make coverage: install, then say which lines the tests run; takes longer than the tests and is no part of them.
# make dist:  install, then build wheel and sdist into dist, and prove the wheel in a fresh environment.
# make lowest: install the lowest versions that pyproject.toml allows into $(LOWEST), and run the tests with them, without
#             the long ones and those of kernels and layers against each other, which other packages do not enter.
# All need Python 3.11 or newer, make, gcc, about 4 GB of disk and a package index. See README.md.

PYTHON ?= python3
VENV ?= .venv
OUT ?= study
BIN := $(VENV)/bin
LOWEST ?= .venv-lowest
SITE ?= docs/_build
QUICK := tests/test_errors.py tests/test_imports.py tests/test_repository.py tests/models/test_formulas.py \
    tests/models/test_specs.py tests/testing tests/nn/test_arguments.py tests/wiring/test_core.py tests/wiring/test_edit.py \
    src/wormnet/errors.py src/wormnet/models src/wormnet/wiring/core.py

.PHONY: study test check lint quick bench docs links coverage dist lowest clean
.DELETE_ON_ERROR:

study: $(VENV)/.installed
	$(BIN)/wormnet study --out $(OUT) --resume

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# Side by side, each on a core of its own.
check: $(VENV)/.installed
	$(MAKE) --no-print-directory -j 2 lint quick

quick: $(VENV)/.installed
	$(BIN)/python -m pytest -q -m 'not slow and not gpu' $(QUICK)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py --compiled

docs: $(VENV)/.installed
	$(BIN)/python -m sphinx -W -q -b html docs $(SITE)

# The examples have no links of their own, so they are not run.
links: $(VENV)/.installed
	$(BIN)/python -m sphinx -W -q -b linkcheck -D plot_gallery=0 docs $(SITE)-links

coverage: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not slow and not gpu' --cov --cov-report term --cov-report html

dist: $(VENV)/.installed
	$(BIN)/python scripts/dist.py

# Warnings are no errors here: old packages warn of what they use of new ones.
lowest:
	$(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) scripts/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check -c $(LOWEST)/lowest.txt -e '.[study,control]' \
	    pytest pytest-xdist hypothesis ncps
	$(LOWEST)/bin/python -m pytest -n 2 --dist loadgroup -W default -m 'not slow and not gpu' \
	    --ignore tests/test_benchmarks.py --ignore tests/engine/gpu --ignore tests/contract/test_models.py \
	    --ignore tests/contract/test_modules.py

clean:
	rm -rf $(VENV) $(LOWEST) $(OUT) $(SITE) $(SITE)-links dist htmlcov .coverage

# Half an environment is worse than none: the mark is made last, and the next call starts over without it.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'wormnet needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < 4e9)' || { \
	    echo 'wormnet needs about 4 GB of free disk here to install; free some, or name a place: make VENV=/big/disk/venv ...' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV) || { \
	    echo 'no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]' || { \
	    echo 'the packages could not be installed; if the messages above speak of the network or of space on the' >&2; \
	    echo 'device, mend that and call make again: it starts over. Behind a proxy or mirror, pip reads PIP_INDEX_URL.' >&2; exit 1; }
	touch $@
