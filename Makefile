# The two main commands are make demo and make test. Each creates a fresh environment from the locked dependencies.
PYTHON ?= python3
DEV := .venv
DEMO := .venv-demo
# Quiet, and without a warning that pip itself is old.
PIP_INSTALL := -m pip --quiet --disable-pip-version-check install

.PHONY: demo test fresh check format kubernetes e2e e2e-cluster e2e-programs bench bench-audit docs lock image wheels manifests zipapp

demo: ## shows on real input what the webhook does
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(DEMO)
	$(DEMO)/bin/python $(PIP_INSTALL) --require-hashes -r requirements.lock -r requirements-build.lock
	$(DEMO)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation .
	$(DEMO)/bin/python examples/demo.py

test: fresh ## runs all tests, in four processes: some tests wait, so more than two serve two processors
	$(DEV)/bin/python -m pytest --numprocesses=4 --dist=worksteal

fresh:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(DEV)
	$(DEV)/bin/python $(PIP_INSTALL) --require-hashes -r requirements-dev.lock -r requirements-build.lock
	$(DEV)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@# Tests start many processes: none of them has to compile the modules again, even with PYTHONDONTWRITEBYTECODE.
	$(DEV)/bin/python -m compileall -q webhook certs
	@# pytest compiles the tests in its own way. If it found nothing compiled, each of its processes would do so.
	found=$$(PYTHONDONTWRITEBYTECODE= $(DEV)/bin/python -m pytest --collect-only --quiet 2>&1) || { echo "$$found"; exit 1; }

$(DEV)/bin/python:
	$(MAKE) fresh

check: $(DEV)/bin/python ## lints: ruff, mypy, import contracts
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

format: $(DEV)/bin/python
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

kubernetes: ## builds the newest Kubernetes that we support, once, and prints its folder, for KUBEBUILDER_ASSETS
	@scripts/kubernetes-from-modules.sh

e2e: $(DEV)/bin/python ## runs the tests on a real control plane; KUBEBUILDER_ASSETS is the folder with its programs
	$(DEV)/bin/python -m pytest tests/e2e

e2e-cluster: $(DEV)/bin/python ## runs the tests on the cluster of KUBECONFIG; its nodes must have the image IMAGE
	IMAGE=$(IMAGE) $(DEV)/bin/python -m pytest tests/cluster_e2e

e2e-programs: $(DEV)/bin/python ## runs the tests with other programs: the one file of make zipapp alone, the AWS CLI, aws-iam-authenticator, zsh and fish
	$(DEV)/bin/python -m pytest tests/programs

IMAGE ?= localhost/pod-identity-webhook:dev
BUILDER ?= $(firstword $(foreach tool,docker podman buildah,$(if $(shell command -v $(tool)),$(tool))))
# BASE is another Python image. BUILD_FLAGS are more flags for the builder, such as --platform linux/arm64.
image: ## builds IMAGE with the first of docker, podman and buildah that is installed
	$(if $(BUILDER),,$(error building the image needs docker, podman or buildah))
	$(BUILDER) build --tag $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) $(BUILD_FLAGS) \
		--build-arg VERSION=$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' webhook/__init__.py) \
		--build-arg REVISION=$(shell git rev-parse HEAD) .

wheels: $(DEV)/bin/python ## checks that each locked dependency has a wheel for every platform of the image
	for machine in x86_64 aarch64; do \
		$(DEV)/bin/python -m pip --quiet --disable-pip-version-check download --require-hashes -r requirements.lock \
			--only-binary :all: --python-version 3.13 --platform manylinux2014_$$machine \
			--platform manylinux_2_28_$$machine --dest .cache/wheels/$$machine || exit 1; done
	rm -r .cache/wheels

ZIPAPP ?= dist/pod-identity-webhook.pyz
zipapp: $(DEV)/bin/python ## packs the command and its dependencies into the file ZIPAPP, for this Python's version and platform
	rm -rf .cache/zipapp
	$(DEV)/bin/python -m pip --quiet --disable-pip-version-check download --require-hashes -r requirements.lock --dest .cache/zipapp
	$(DEV)/bin/python -m pip --quiet --disable-pip-version-check wheel --no-deps --no-build-isolation --wheel-dir .cache/zipapp .
	$(DEV)/bin/pex --pre-resolved-dists .cache/zipapp --console-script pod-identity-webhook \
		--python-shebang '/usr/bin/env python3' --output-file $(ZIPAPP) pod-identity-webhook
	rm -r .cache/zipapp

bench: $(DEV)/bin/python ## measures reviews per second compared with a floor, the decision alone, memory, and a live cluster (KUBEBUILDER_ASSETS)
	$(DEV)/bin/python bench/bench.py

bench-audit: $(DEV)/bin/python ## measures audit on 5,000 pods of a live cluster (KUBEBUILDER_ASSETS)
	$(DEV)/bin/python bench/audit.py

docs: $(DEV)/bin/python ## writes the parts of the docs that come from the code
	$(DEV)/bin/python docs/generate.py
	$(DEV)/bin/python charts/readme.py
	$(DEV)/bin/python -m charts.schema

manifests: $(DEV)/bin/python ## renders the chart for people without Helm: deploy/
	$(DEV)/bin/python charts/manifests.py

COMPILE = $(DEV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --quiet
lock: $(DEV)/bin/python ## locks the dependencies for every platform, with hashes
	$(COMPILE) -o requirements.lock
	$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock
	$(subst pyproject.toml,,$(COMPILE)) --group build -o requirements-build.lock
	$(subst pyproject.toml,,$(COMPILE)) --group aws -o tests/aws/requirements.lock
