# `make quickstart` sets up and runs the main job on data drawn on the spot; `make test` checks everything.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: quickstart test
.DELETE_ON_ERROR:

# A run that was interrupted is resumed, one that has ended is left as it is.
quickstart: .venv/installed
	@mode=; if [ -e results/quickstart/config.json ]; then mode=--resume; fi; \
	$(BIN)/python main.py quickstart --dataset dsprites --loss dGJS --GJS-A 0.3 --lr 5e-4 \
		--epochs 10 --train-size 20000 --test-size 2000 $$mode
	@echo "Now open results/quickstart/traversals.png: each row shows what one latent dimension has learnt."

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

.venv/installed: requirements.txt
	@echo "Installing PyTorch and the other requirements into .venv: some minutes, a few GB."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
