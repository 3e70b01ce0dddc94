# make lab    set up what is missing and open the first lecture in JupyterLab
# make test   set up what is missing and run every test
# Second runs skip the set-up. All that is made lands in .venv/ and build/, which git ignores.

PYTHON ?= python3
VENV := .venv
# LOCK=none takes the newest versions that pyproject.toml allows.
LOCK ?= requirements.txt
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# What tests, tools and the site need besides.
TOOLS := $(VENV)/.stamp-test

.DEFAULT_GOAL := help
.PHONY: help setup lab present test test-browser test-rest test-notebooks test-real check lectures handout wheel site \
  student-branch assignment class checkpoints lint bench lock clean

help:
	@echo "make lab       open the first lecture in JupyterLab"
	@echo "make present   the same as slides, for a lecturer (ROOM=1: with a room that predicts, ROOM=lan: from phones)"
	@echo "make test      run every test, browser and notebooks included"
	@echo "make check     run the quick tests"
	@echo "make test-real run on satellite pictures those lectures that can (minutes)"
	@echo "make lectures  execute the lectures whose source has changed"
	@echo "make handout   the students' edition, without solutions: build/handout and one zip"
	@echo "make student-branch   the same as a branch that students pull"
	@echo "make assignment LECTURE=09   its exercises for nbgrader and otter-grader: build/assignment"
	@echo "make class     a hub for a class on this machine (as root: one account a student)"
	@echo "make wheel     the course as one file that pip installs: build/wheel"
	@echo "make site      the lectures as web pages: build/site"
	@echo "make checkpoints   train all networks of assets/checkpoints anew (hours)"
	@echo "make bench     measure against other libraries (half an hour, on an idle machine)"
	@echo "make setup     only install, into .venv"
	@echo "make lock      choose the versions anew, for all systems: requirements.txt"
	@echo "make clean     remove build/ (rm -r .venv removes the installation)"

setup: $(STAMP)

# The first two tests are older than any Python that could say it.
$(STAMP) $(TOOLS): pyproject.toml requirements.txt tools/install.py
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "This course needs Python 3.11 or newer, '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name a newer one: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python -o ! -e $(BIN) || { \
	  echo "The Python that .venv was made with is gone. Remove the folder and try again: rm -r .venv"; exit 1; }
	@$(PYTHON) tools/install.py --lock $(LOCK) $(if $(findstring test,$(@F)),--test)
	@touch $@ $(if $(findstring test,$(@F)),$(STAMP))

lab: $(STAMP)
	$(BIN)/python -m ssl_course lab

# The room stops with the slides.
present: $(STAMP)
	@$(if $(ROOM),$(BIN)/python -m ssl_course room $(if $(filter lan,$(ROOM)),--lan) & trap "kill $$! 2>/dev/null" EXIT;) \
	  $(BIN)/python -m ssl_course present

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tests run on JOBS cores, one thread each: `make check JOBS=8`. Each part ends with its SLOWEST tests. Browser tests
# are left out by their folder: to collect them is to load what they need.
JOBS ?= 2
SLOWEST ?= 15
PYTEST := $(BIN)/python -m pytest -rs --durations=$(SLOWEST) -n $(JOBS) --dist worksteal

# Two parts, since a worker that has driven a browser can start no event loop of its own. The browser runs each
# lecture whole; `make test-notebooks` runs them without one.
check test-browser test-rest test-notebooks: export OMP_NUM_THREADS := 1
test: lint
	$(BIN)/python -m tools.browser ensure
	@mkdir -p build
	-$(BIN)/python -m tools.classroom
	$(MAKE) -k test-browser test-rest

test-browser: $(TOOLS)
	$(PYTEST) tests/browser --junitxml=build/tests-browser.xml

test-rest: $(TOOLS)
	$(PYTEST) --ignore=tests/browser -m "not notebook" --junitxml=build/tests.xml

test-notebooks: $(TOOLS)
	$(PYTEST) tests/test_lectures.py -m notebook

check: lint
	$(PYTEST) --ignore=tests/browser -m "not slow and not notebook"

# SSL_COURSE_LECTURE_DATA=cifar10 make test-real takes CIFAR-10 instead.
test-real: $(TOOLS)
	SSL_COURSE_LECTURE_DATA=$${SSL_COURSE_LECTURE_DATA:-earth} $(BIN)/python -m pytest -rs tests/test_real_lectures.py

lectures: $(TOOLS)
	$(BIN)/python -m tools.build

handout: $(TOOLS)
	$(BIN)/python -m tools.handout

# A new commit on the branch students, which is never rewritten: what nbgitpuller brings into their accounts.
student-branch: $(TOOLS)
	$(BIN)/python -m tools.handout --branch students

# JupyterHub on this machine, one account a student (so as root): deploy/README.md.
class: $(STAMP)
	$(BIN)/python -m tools.classroom
	build/class-venv/bin/jupyterhub --config deploy/jupyterhub_config.py

# An assignment for nbgrader, and one for otter-grader, of each LECTURE: build/assignment.
assignment: $(TOOLS)
	$(BIN)/python -m tools.assignment $(LECTURE)

# Library, notebooks, networks and results in one file, for: pip install FILE, then ssl-course lab.
wheel: $(TOOLS)
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	@du -h build/wheel/*.whl

# Nothing is executed: the pages are the notebooks as they lie here.
site: $(TOOLS)
	$(BIN)/python -m tools.site

# Each file of assets/checkpoints carries the command that makes it; this runs them all.
checkpoints: $(TOOLS)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/shipped.py rebuild

# Other libraries live in a venv of their own that looks into ours for PyTorch; they are no dependencies.
BENCH := build/bench-venv
$(BENCH)/.stamp: $(TOOLS)
	$(BIN)/python -m venv $(BENCH)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(BENCH)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/course.pth"
	$(BENCH)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps lightly kornia kornia_rs
	@touch $@

bench: $(BENCH)/.stamp
	@mkdir -p build
	$(BIN)/python benchmarks/latency.py
	PYTHONPATH=. $(BENCH)/bin/python benchmarks/augment.py --json build/bench_augment.json
	PYTHONPATH=. $(BENCH)/bin/python benchmarks/against_lightly.py speed --json build/bench_speed.json
	PYTHONPATH=. $(BENCH)/bin/python benchmarks/against_lightly.py overhead --json build/bench_overhead.json
	PYTHONPATH=. $(BENCH)/bin/python benchmarks/against_lightly.py reach --json build/bench_reach.json

# Versions that stand in the file stay where they can; UPGRADE=--upgrade takes the newest of all.
lock: $(TOOLS)
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip compile pyproject.toml --extra test --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --quiet --custom-compile-command "make lock" --output-file requirements.txt $(UPGRADE)

clean:
	rm -rf build .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
