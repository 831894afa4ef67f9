# `make quickstart` sets up and runs the main job on data drawn on the spot; `make test` checks everything, and
# `make check`, in a minute, what is worth checking after every change.
PYTHON ?= python3
BIN = .venv/bin

# As many workers as cores; tests of one group, which share something that takes long to make, go to the same.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist loadgroup

.PHONY: quickstart check test lint pages
.DELETE_ON_ERROR:

# A run that was interrupted is resumed, one that has ended is left as it is.
quickstart: .venv/installed
	@mode=; if [ -e results/quickstart/config.json ]; then mode=--resume; fi; \
	$(BIN)/python main.py quickstart --dataset dsprites --loss dGJS --GJS-A 0.3 --lr 5e-4 \
		--epochs 10 --train-size 20000 --test-size 2000 $$mode
	@echo "Now open results/quickstart/traversals.png: each row shows what one latent dimension has learnt."

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
