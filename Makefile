# make help prints this file's targets. Everything lands in .venv and in ~/.cache/herasphere; nothing else is touched,
# but for the Debian packages that `make packages` names and installs when it is allowed to.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.DEFAULT_GOAL := help

.PHONY: help
help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Hera ships a script named `hera` too, and who is installed last owns it: dependencies first, then the project.
$(VENV)/.ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## make .venv with the locked dependencies and this project

.PHONY: packages
packages: setup ## install the Debian packages the simulated site needs (asks for sudo when not root)
	$(BIN)/python -m tests.lab packages --install --site

.PHONY: demo
demo: setup ## install two simulated servers, end to end, and show the report
	$(BIN)/python -m tests.lab demo

# Not reordered: in the order of their folders the slowest come first, and both processes end at about the same time.
.PHONY: test
test: setup ## run every test this machine can run; says what it leaves out and why
	$(BIN)/python -m tests.lab packages --install --if-allowed
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: check
check: setup ## ruff, mypy, import layers, goldens, unit and step tests: no root, no lab, about a minute
	$(PYTEST) -n 2 -m "not lab" --ignore tests/e2e

.PHONY: golden
golden: setup ## write the golden files anew; look at the diff before you commit it
	HERASPHERE_GOLDEN=1 $(PYTEST) -q -m golden

.PHONY: image
image: setup ## build the runner image with docker, podman or buildah; BASE=IMAGE to build on, BASE=debootstrap: no registry
	$(BIN)/python -m tests.lab.runner_image --base "$(BASE)" --builder "$(BUILDER)"

.PHONY: lab-build
lab-build: setup ## build the simulated site's ISO and programs into ~/.cache/herasphere
	$(BIN)/python -m tests.lab build

.PHONY: lab-up
lab-up: setup ## start the simulated site: two servers with BMCs, and a host table for them
	$(SUDO) $(BIN)/python -m tests.lab up

.PHONY: lab-down
lab-down: setup ## stop it, leaving nothing behind
	$(SUDO) $(BIN)/python -m tests.lab down

.PHONY: lab-status
lab-status: setup ## say what of it is running
	$(BIN)/python -m tests.lab status

.PHONY: lab-cluster
lab-cluster: setup ## start Kubernetes with Argo on this machine; the first time builds both, some ten minutes
	$(BIN)/python -m tests.lab packages --install --cluster
	$(SUDO) $(BIN)/python -m tests.lab cluster up

.PHONY: lab-cluster-down
lab-cluster-down: setup ## stop it, leaving nothing behind
	$(SUDO) $(BIN)/python -m tests.lab cluster down

.PHONY: bench
bench: setup ## measure, and write docs/benchmarks.md
	$(BIN)/python -m tests.bench

.PHONY: lock
lock: setup ## compile the lock files from pyproject.toml
	$(BIN)/python -m uv pip compile --quiet --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	  --python-version 3.11 --universal --extra s3 -o requirements.lock pyproject.toml
	$(BIN)/python -m uv pip compile --quiet --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	  --python-version 3.11 --universal --extra s3 --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
