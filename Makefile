# `make alanine` and `make test` make the environment first where it is not there yet.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: alanine muller-brown four-state fip35 quick test coverage lint docs test-slow test-gpu test-opencl soak bench clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -c constraints.txt -e '.[test,lint,h5]'
	touch $@

alanine: $(READY)  ## the main job: 100 ns of alanine dipeptide, models, report (ARGS="--seed 8 --out runs/eight")
	$(RUN) protocols/run_alanine.py $(ARGS)

muller-brown: $(READY)  ## Müller-Brown against its exact solution: small and medium trajectory BERT, under 30 minutes on two cores
	$(RUN) protocols/run_muller_brown.py $(ARGS)

four-state: $(READY)  ## the four-state potential against known populations and times
	$(RUN) protocols/run_four_state.py $(ARGS)

fip35: $(READY)  ## the Fip35 WW domain: Cα model, hundreds of foldings, how it folds
	$(RUN) protocols/run_fip35.py $(ARGS)

quick: $(READY)  ## the same path in under 90 s
	$(RUN) protocols/run_alanine.py --quick --out runs/alanine_quick $(ARGS)

# One worker a core, one thread a worker: numbers do not hang on how many cores there are, and none waits for another.
WORKERS ?= logical
test: $(READY)  ## all but slow tests, in parallel (WORKERS=1, ARGS="tests/md -x")
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

coverage: $(READY)  ## the same with the line coverage, which takes half as long again
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadscope --cov --cov-report term $(ARGS)

lint: $(READY)  ## what `pre-commit` runs too: style, form, types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

docs: $(READY)  ## the site, in docs/_build/html; warnings are errors
	$(RUN) -m pip install --quiet -c constraints.txt -e '.[docs]'
	OMP_NUM_THREADS=1 $(RUN) -m sphinx -q -W --keep-going -b html docs docs/_build/html

test-slow: $(READY)
	$(RUN) -m pytest -m slow $(ARGS)

test-gpu: $(READY)
	$(RUN) -m pytest -m gpu $(ARGS)

test-opencl: $(READY)  ## OpenCL on a GPU, or on the CPU with pocl (apt-get install pocl-opencl-icd)
	$(RUN) -m pytest -m opencl $(ARGS)

# Minutes to an hour: damaged inputs through every loader, and runs killed at any moment.
SOAK_INPUTS ?= 20000
SOAK_KILLS ?= 300
soak: $(READY)
	$(RUN) tests/fuzz/soak.py --inputs $(SOAK_INPUTS) $(ARGS)
	$(RUN) tests/kills/soak.py --kills $(SOAK_KILLS) $(ARGS)

bench: $(READY)
	$(RUN) benchmarks/bench_startup.py
	$(RUN) benchmarks/bench_md.py
	$(RUN) benchmarks/bench_nanogpt.py
	$(RUN) benchmarks/bench_contacts_memory.py

clean:
	rm -rf $(VENV) build dist
