# Every target makes what it needs: on a machine with nothing but Python 3.11, `make demo` is the only command.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

# glibc hands big blocks back to the system after every operation, and on a small virtual machine half the CPU time
# then goes to page faults. Keeping them makes CPU sampling and training several times faster.
export MALLOC_MMAP_THRESHOLD_ := 2147483648
export MALLOC_TRIM_THRESHOLD_ := 8589934592
export MALLOC_TOP_PAD_        := 268435456

.PHONY: help demo test test-slow test-oldest test-rounding lint format docs figures clean
.NOTPARALLEL:

help:
	@echo "make demo    sample the embedded model, original and accelerated, side by side (demo.png)"
	@echo "make test    run the tests              (ARGS='-k name' to choose)"
	@echo "make test-slow  run those that take long: all pipelines, trained models, trainings"
	@echo "make test-oldest  the pipelines, with the oldest diffusers that is supported"
	@echo "make test-rounding  with sums rounded as on other processors"
	@echo "make lint    ruff and mypy"
	@echo "make format  let ruff rewrite what it can"
	@echo "make figures measure speed and fidelity anew, for the documentation (an hour on a quiet machine)"
	@echo "make docs    build the documentation into site/, failing on any broken link"

demo: $(VENV)/.cli
	$(BIN)/faster-diffusion demo $(ARGS)

# One thread each: many small operations, and several workers, leave nothing for a second one to do.
PYTEST := -m pytest --numprocesses=logical --maxprocesses=4

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST) -m slow $(ARGS)

# Every pipeline with the oldest diffusers that is supported, in an environment of its own: what leans on its classes
# most. Batches, exceptions and plans beyond the paper's lean on nothing in it that the newest does not show.
test-oldest: $(VENV)/oldest/.pipelines
	OMP_NUM_THREADS=1 $(VENV)/oldest/bin/python $(PYTEST) -k "bit_exactly or of_the_plan or halves or refused" \
		tests/pipelines/test_matrix.py tests/pipelines/test_callbacks.py tests/pipelines/test_refused.py $(ARGS)

# What runs networks, with sums rounded as other processors might: see tests/rounding.py. For more: ROUNDING=1, 2, ...
test-rounding: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST) -p tests.rounding \
		tests/test_*.py tests/engine tests/options tests/pipelines tests/tasks tests/tuning tests/analysis $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

figures: $(VENV)/.dev
	$(BIN)/python -m reproduce.flops
	$(BIN)/python -m reproduce.pipelines
	$(BIN)/faster-diffusion bench --suite cpu --out docs/results/speed-cpu.json
	mv docs/results/speed-cpu-speed.png docs/images/speed.png
	$(BIN)/faster-diffusion evaluate --arms reproduce/arms/fidelity.yaml --reference converged --out runs/fidelity
	cp runs/fidelity/results.json docs/results/fidelity.json
	cp runs/fidelity/plots/psnr.png docs/images/fidelity.png
	$(BIN)/python -m reproduce.key_steps
	$(BIN)/faster-diffusion demo --out docs/images/demo.png
	$(BIN)/faster-diffusion analyze --out runs/analysis
	cp runs/analysis/*.png docs/images/analysis/
	$(BIN)/python -m reproduce.figures

# One environment; each stamp says that one set of extras is in it. The constraints are given in the same pip run, so
# no other build of torch is ever resolved first.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.cli $(VENV)/.dev $(VENV)/.docs: $(VENV)/.%: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing what is needed into $(VENV), once ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

$(VENV)/oldest/.pipelines: pyproject.toml constraints-oldest.txt
	@echo "Installing the oldest supported diffusers into $(VENV)/oldest, once ..."
	@$(PYTHON) -m venv $(VENV)/oldest
	@$(VENV)/oldest/bin/python -m pip install -qq --disable-pip-version-check -c constraints-oldest.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) site build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
