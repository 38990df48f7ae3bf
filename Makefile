# Everything runs from .venv, which `make setup` makes; nothing else is changed on the machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
INPUTS := requirements/lock.txt pyproject.toml agent/pyproject.toml client/pyproject.toml
SOURCES := services agent client examples bench tests requirements

.DEFAULT_GOAL := help
.PHONY: help setup check test faults faults-long faults-matrix reference messages browser tools proxies demo bench bench-uploads bench-footprint k8s-validate containers images observability up lock clean

help:
	@echo "WebSocket Spaces"
	@echo
	@echo "  make demo    see it work: starts everything, classifies 20 digits, stops everything"
	@echo "  make up      run it here: gateway, agents' door, NATS and PostgreSQL, until Ctrl-C"
	@echo
	@echo "  make test    every test, on real NATS and PostgreSQL (about three quarters of an hour on two cores)"
	@echo "  make faults  everything that can go wrong, made to go wrong (about 20 minutes)"
	@echo "  make check   formatting, lint, types and unit tests (about two minutes)"
	@echo "  make bench   requests per second and latency, beside a bare pipeline"
	@echo "  make bench-uploads  small requests alone, and beside 50 uploads at once"
	@echo "  make bench-footprint  memory and processors of each service: idle, with 500 agents, under load"
	@echo
	@echo "  make images     build the images of the services and of the agent (BASE=… TAG=… ENGINE=podman|buildah|docker)"
	@echo "  make k8s-validate  look at the manifests for Kubernetes, without a cluster (needs Go and cargo)"
	@echo
	@echo "  make setup      only make .venv (the others do it by themselves)"
	@echo "  make reference  write docs/reference anew: OpenAPI, AsyncAPI, the agents' frames"
	@echo "  make messages   put new texts of the console into its catalogues, to be translated"
	@echo "  make lock       lock new dependencies of the pyproject.toml files in requirements/lock.txt"
	@echo
	@echo "  What only tests need, fetched unless it is there, on Debian; without the last three their tests are skipped:"
	@echo "  make browser    Chromium and fonts (make test does it by itself)"
	@echo "  make observability  prometheus and promtool, into .tools/bin (make test does it by itself)"
	@echo "  make tools      the nats CLI, kustomize and more, built into .tools/bin (needs Go)"
	@echo "  make proxies    nginx and Caddy, into .tools/bin"
	@echo "  make containers  podman, runc and mmdebstrap"
	@echo
	@echo "  make clean      remove .venv, .tools and caches; data in .spaces stays"
	@echo
	@echo "It needs Python 3.11 or newer with venv: PYTHON=python3.12 make setup"

# Not a file target: several `make` at once must wait for the one that installs, and look again then.
setup:
	@PYTHON="$(PYTHON)" requirements/setup.sh $(VENV) $(STAMP) $(INPUTS)

check: setup
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit

test: setup browser observability
	@# What takes longest begins first, so that no worker is left alone with it at the end.
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder tests/e2e tests/integration tests/deploy tests/contracts tests/unit

faults: setup
	$(BIN)/python -m pytest -n 2 tests/faults

# At random for ten minutes: FAULTS_SEED=7 make faults-long
faults-long: setup
	FAULTS_SECONDS=$${FAULTS_SECONDS:-600} $(BIN)/python -m pytest -s tests/faults/test_random.py

faults-matrix: setup
	$(BIN)/python -m tests.faults.suite.matrix docs/faults.md

# OpenAPI, AsyncAPI and the JSON Schema of the agents' frames, from the types; a unit test compares.
reference: setup
	$(BIN)/python -m services.reference docs/reference --examples tests/contracts/golden

messages: setup
	$(BIN)/python -m services.gateway.web.messages

# Prometheus and promtool in .tools/bin. Nothing is installed, no daemon started.
observability:
	@requirements/unpack.sh .tools/bin prometheus prometheus/promtool

# Chromium, and fonts without which pictures of the pages are not what people see. Nothing is changed where they are there.
browser:
	@requirements/install.sh chromium fonts-inter fonts-wqy-microhei

# In Go, so not in .venv. Nothing is changed outside .tools and Go's own caches.
tools:
	@requirements/tools.sh .tools/bin
	@go build -C tests/deploy/decode -trimpath -o $(CURDIR)/.tools/bin/k8s-decode .

# Without a cluster: what docs/kubernetes-validation.md says.
k8s-validate: setup tools
	$(BIN)/python -m tests.deploy.suite.validate

# Unpacked, not installed: no server is started.
proxies:
	@requirements/unpack.sh .tools/bin nginx caddy

containers:
	@requirements/install.sh podman runc mmdebstrap

# docs/containers.md
images:
	@deploy/images/build.sh

demo: setup
	$(BIN)/python -m examples.digits.demo

bench: setup
	$(BIN)/python -m bench

bench-uploads: setup
	$(BIN)/python -m bench.uploads

bench-footprint: setup
	$(BIN)/python -m bench.footprint

up: setup
	$(BIN)/spaces up

# Keeps what is locked; to move to newer versions, delete requirements/lock.txt first.
lock: setup
	$(BIN)/python requirements/collect.py | CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --no-config \
	  --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-emit-options --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --output-file requirements/lock.txt -

clean:
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
