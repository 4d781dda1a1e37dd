# Everything is installed into .venv. PYTHON= and CC= name another interpreter (3.11 or newer) and C compiler.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# One stamp per set of dependencies; its name holds the interpreter, so that another PYTHON installs anew. The install
# is editable: only what is compiled, or decides what is installed, makes it stale.
BUILT_FROM := pyproject.toml setup.py $(wildcard kernels/*.pyx kernels/*.pxi kernels/*.h)
stamp = .venv/$(1)-$(subst /,_,$(PYTHON)).stamp
RUN := $(call stamp,run)
TEST := $(call stamp,test)
DEV := $(call stamp,dev)

# What `make run` does. `make job` does it with any installed program: .ci/run gives it that of the wheel.
REPLAY := preset:recnmp-comb8 --system host-8rank --system recnmp-base-8rank
ARCHSIM := $(BIN)/archsim
REPORTS := reports

# mypy, import-linter and mkdocstrings read the package in the layout in which it is installed: they cannot follow the
# mapping of kernels/ and traces/ in setup.py.
LAYOUT := .venv/lint

.PHONY: build run job test lint docs bench figures clean
.NOTPARALLEL:

build: $(DEV)

# Each set holds the ones before it.
$(RUN): WHAT := .
$(TEST): WHAT := .[test]
$(TEST): HOLDS := $(RUN)
$(DEV): WHAT := .[dev]
$(DEV): HOLDS := $(RUN) $(TEST)
$(RUN) $(TEST) $(DEV): $(BUILT_FROM)
	@PYTHON='$(PYTHON)' sh tools/install.sh .venv '$(WHAT)'
	@touch $@ $(HOLDS)

run: $(RUN) job

job:
	@mkdir -p $(REPORTS)
	@$(ARCHSIM) replay $(REPLAY) --out $(REPORTS)/$$(date +%Y-%m-%dT%H-%M-%S)

# More than a few workers cost more to start than they save.
test: $(TEST)
	@$(BIN)/pytest --numprocesses logical --maxprocesses 4

lint: $(DEV)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@rm -rf $(LAYOUT) && $(BIN)/python setup.py --quiet build_py --build-lib $(LAYOUT)
	@cd $(LAYOUT) && ../bin/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p archsim
	@cd $(LAYOUT) && ../bin/lint-imports --config ../../pyproject.toml --no-logo --no-cache

# A warning is an error. The variable silences an advertisement.
docs: $(DEV)
	@rm -rf $(LAYOUT) && $(BIN)/python setup.py --quiet build_py --build-lib $(LAYOUT)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo site/index.html

bench: $(RUN)
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/traces.py
	@$(BIN)/python benchmarks/cache.py
	@$(BIN)/python benchmarks/cache_curves.py
	@$(BIN)/python benchmarks/approx.py
	@$(BIN)/python benchmarks/analog.py
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/thermal.py
	@$(BIN)/python benchmarks/sensor.py

figures: $(RUN)
	@$(BIN)/python docs/make_figures.py
	@$(BIN)/python docs/make_pictures.py
	@$(BIN)/python docs/make_standards.py
	@$(BIN)/python docs/make_hardware.py
	@$(BIN)/python docs/make_caches.py
	@$(BIN)/python docs/make_recnmp.py
	@$(BIN)/python docs/make_models.py
	@$(BIN)/python docs/make_axtrain.py
	@$(BIN)/python docs/make_search.py
	@$(BIN)/python docs/make_multipliers.py
	@$(BIN)/python docs/make_nnadc.py
	@$(BIN)/python docs/make_nnadc_uses.py
	@$(BIN)/python docs/make_near_sensor.py
	@$(BIN)/python docs/make_electrothermal.py

clean:
	rm -rf .venv build site *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache kernels/*.so kernels/*.c
	find archsim kernels traces tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
