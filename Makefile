# `make quickstart` sets up, trains two models side by side and opens a page of them; `make test` checks everything, and
# `make check`, in a minute and a half, what is worth checking after every change.
PYTHON ?= python3
BIN = .venv/bin

# As many workers as cores; the tests of a file, which share what takes long to make, go to the same.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder

.PHONY: quickstart check test lint pages
.DELETE_ON_ERROR:

# On MNIST if it is there or can be had, else on the digits that scikit-learn brings. Runs that were interrupted go on,
# those that have ended are left as they are.
HAS_MNIST = import os; from utils.datasets import load_dataset; \
	load_dataset("mnist", "train", os.environ.get("VAE_DATA") or "data", 1)

quickstart: .venv/installed
	@if $(BIN)/python -c '$(HAS_MNIST)' > /dev/null 2>&1; then \
		name=quickstart data="mnist --epochs 5 --train-size 10000 --test-size 2000"; \
	else \
		name=quickstart-digits data="digits --epochs 60"; \
		$(BIN)/pip install --quiet --disable-pip-version-check "scikit-learn>=1.3,<2" || exit 1; fi; \
	$(BIN)/python main.py $$name --loss KL dGJS --GJS-A 0.3 --rec-dist gaussian --lr 1e-3 \
		--jobs 2 --report --explore --dataset $$data && \
	page=results/$$name/explore.html && \
	echo "Now open $$page: what the two models make of the same images, and sliders to play with." && \
	{ $(BIN)/python -m webbrowser "file://$(CURDIR)/$$page" > /dev/null 2>&1 || true; }

check: lint
	$(PYTEST) -m "not slow"

test: lint
	$(PYTEST)

# What is said of the reference runs, made of their files: tables and claims, notebooks, gallery. Needs MNIST's files.
pages: .venv/installed-dev
	$(BIN)/python -m utils.report.reference
	$(BIN)/python notebooks/refresh.py

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.venv/installed: requirements.txt
	@echo "Installing PyTorch and the other requirements into .venv: some minutes, a few GB."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
