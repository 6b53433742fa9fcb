# The targets of the README make what they need, in an environment of their own.
PYTHON ?= python3
VENV ?= .venv
TENSORFLOW ?= $(if $(filter Darwin,$(shell uname)),tensorflow,tensorflow-cpu)
# Processes of the tests, each with one thread: threads of several would fight.
JOBS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(JOBS) --dist worksteal
# Tests of what depends on the backend, and some of the whole estimator.
ON_BACKEND = tests/training/test_program.py tests/training/test_loop.py \
  tests/training/test_orthogonalization.py tests/training/test_network.py \
  tests/test_callbacks.py tests/integration/test_common.py \
  $(addprefix tests/test_classifier.py::test_,keras_model_agrees_with_predict_proba \
    interrupt_leaves_an_unfitted_estimator_unfitted \
    interrupt_leaves_a_fitted_estimator_as_it_was divergence_in_the_last_step \
    batch_larger_than_the_data without_hidden_layers_features_add_up)
export TF_CPP_MIN_LOG_LEVEL ?= 2
DEMO ?=
LOCK ?=

# Both are for `make docs`: links to other projects, and no pictures.
export DOCS_ONLINE ?=
export DOCS_GALLERY ?= 1

FITS ?= 20000
EXAMPLES ?= 20
SEED ?= 0
MUTANTS = results/mutants

.PHONY: setup demo test test-fast test-jax test-extras test-docs test-oldest fuzz faults
.PHONY: mutants coverage lint speed docs linkcheck packages lock clean

setup: $(VENV)/.ready  ## make the environment; the command is $(VENV)/bin/skadaptive

demo: $(VENV)/.ready  ## compare with baselines on real data; DEMO="FILE --target COLUMN"
	$(VENV)/bin/skadaptive compare --report report.html $(DEMO)

test: $(VENV)/.ready lint  ## lint and run every test
	$(PYTEST) -m "not pages" --durations=15

test-fast: $(VENV)/.ready  ## the tests that take under a minute together
	$(PYTEST) -m "not slow and not pages" tests

fuzz: $(VENV)/.ready  ## EXAMPLES times the generated cases of the tests, and FITS fits
	SKADAPTIVE_TESTS_EXAMPLES=$(EXAMPLES) $(PYTEST) --hypothesis-seed=$(SEED) \
	  tests/properties/test_generated_*.py
	OMP_NUM_THREADS=1 $(VENV)/bin/python tests/properties/fuzz.py --fits $(FITS) \
	  --seed $(SEED)

# The second run is that of JAX, whose processes fork and stop in another way.
faults: $(VENV)/.ready  ## 40 interrupts of everything, full disks, a minute of threads
	SKADAPTIVE_TESTS_MOMENTS=40 SKADAPTIVE_TESTS_SECONDS=60 \
	  $(PYTEST) -s --durations=15 tests/faults \
	  -o python_files="test_*.py long_faults.py"
	SKADAPTIVE_TESTS_SECONDS=10 KERAS_BACKEND=jax \
	  $(PYTEST) tests/faults/test_processes.py tests/faults/test_interrupts.py

# Which test runs which line is recorded once; `rm -r results/mutants` begins anew.
mutants: $(MUTANTS)/coverage  ## changes of the package that no test sees; SEED, MODULES
	OMP_NUM_THREADS=1 $(VENV)/bin/python tests/mutation/mutants.py $(MODULES) \
	  --seed $(SEED) --folder $(MUTANTS)

$(MUTANTS)/coverage: $(VENV)/.ready
	$(VENV)/bin/python -m pip install --quiet -r tests/requirements-mutation.txt
	mkdir -p $(MUTANTS)
	PYTHONPATH=tests/mutation MUTANTS_FOLDER=$(abspath $(MUTANTS)) $(PYTEST) \
	  -p contexts --cov --cov-config=tests/mutation/coverage.ini --cov-context=test \
	  --cov-report=

coverage: $(VENV)/.ready  ## which lines the tests reach
	$(PYTEST) --cov --cov-report=term-missing

lint: $(VENV)/.ready  ## style, types, and which room imports which
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest -q tests/test_imports.py

speed: $(VENV)/.ready  ## ratios to Keras, scikeras and scikit-learn
	$(VENV)/bin/python benchmarks/speed.py

test-jax: $(VENV)/.ready  ## the tests of what runs on a backend, on JAX
	KERAS_BACKEND=jax SKADAPTIVE_TESTS_SEEDS=0 $(PYTEST) $(ON_BACKEND) \
	  --deselect tests/test_callbacks.py::test_the_next_update_uses_the_new_mix
	KERAS_BACKEND=jax JAX_ENABLE_X64=1 SKADAPTIVE_TESTS_SEEDS=0 \
	  $(PYTEST) tests/test_losses.py

# Only modules with such tests are collected: others import what is not installed there.
test-extras: $(VENV)-extras/.ready  ## the tests beside heavier neighbours
	KERAS_BACKEND=jax SKADAPTIVE_TESTS_INSTALL=1 \
	  $(subst $(VENV)/,$(VENV)-extras/,$(PYTEST)) -m extras \
	  $$(grep -rl --include="*.py" "mark.extras" tests)

test-docs: $(VENV)/.ready  ## run the code of all pages and the published examples
	$(PYTEST) -m pages --durations=5 \
	  tests/test_pages.py tests/integration/test_published_*.py

# -qq: pip warns of what is set up on the computer; errors still show.
docs: $(VENV)-docs/.ready  ## build the site into docs/_build/html; DOCS_GALLERY=0 is quick
	cd docs && JAX_COMPILATION_CACHE_DIR=_build/jax ../$(VENV)-docs/bin/sphinx-build \
	  --nitpicky --fail-on-warning --keep-going -b html . _build/html

packages:  ## sdist and wheel into dist/, checked as an index would
	rm -rf dist build
	$(PYTHON) -m venv $(VENV)-packages
	$(VENV)-packages/bin/python -m pip install -qq build twine
	$(VENV)-packages/bin/python -m build
	$(VENV)-packages/bin/twine check --strict dist/*

linkcheck: $(VENV)-docs/.ready  ## look up the links to other sites
	cd docs && DOCS_GALLERY=0 ../$(VENV)-docs/bin/sphinx-build -b linkcheck . _build/linkcheck

# Old releases among themselves use what is deprecated by now.
test-oldest: $(VENV)-oldest/.ready  ## run every test against the lower bounds
	$(subst $(VENV)/,$(VENV)-oldest/,$(PYTEST)) -m "not pages" -W default::DeprecationWarning

# With LOCK=.ci the versions are those of its files, and every download is checked.
INSTALL_LOCKED = install --quiet --require-hashes --requirement
INSTALL_ITSELF = install --quiet --no-deps --no-build-isolation --editable .

$(VENV)/.ready: pyproject.toml $(LOCK:%=%/requirements.txt)
	$(PYTHON) -m venv $(VENV)
ifneq ($(LOCK),)
	$(VENV)/bin/python -m pip $(INSTALL_LOCKED) $(LOCK)/requirements.txt
	$(VENV)/bin/python -m pip $(INSTALL_ITSELF)
else
	$(VENV)/bin/python -m pip install --quiet --editable ".[$(TENSORFLOW),dev]"
endif
	touch $@

$(VENV)-extras/.ready: pyproject.toml tests/requirements-extras.txt \
  $(LOCK:%=%/requirements-extras.txt)
	$(PYTHON) -m venv $(VENV)-extras
ifneq ($(LOCK),)
	$(VENV)-extras/bin/python -m pip $(INSTALL_LOCKED) $(LOCK)/requirements-extras.txt
	$(VENV)-extras/bin/python -m pip $(INSTALL_ITSELF)
else
	$(VENV)-extras/bin/python -m pip install --quiet --editable ".[jax,compare,dask]" \
	  -r tests/requirements-extras.txt
endif
	touch $@

$(VENV)-docs/.ready: pyproject.toml $(LOCK:%=%/requirements-docs.txt)
	$(PYTHON) -m venv $(VENV)-docs
ifneq ($(LOCK),)
	$(VENV)-docs/bin/python -m pip -qq $(INSTALL_LOCKED) $(LOCK)/requirements-docs.txt
	$(VENV)-docs/bin/python -m pip -qq $(INSTALL_ITSELF)
else
	$(VENV)-docs/bin/python -m pip install -qq --editable ".[docs]"
endif
	touch $@

$(VENV)-oldest/.ready: pyproject.toml tests/requirements-oldest.txt
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet -r tests/requirements-oldest.txt
	$(VENV)-oldest/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --upgrade pyproject.toml

lock:  ## renew the versions that continuous integration installs; needs uv
	$(COMPILE) --extra dev --extra tensorflow-cpu --output-file .ci/requirements.txt
	$(COMPILE) --extra jax --extra compare --extra dask tests/requirements-extras.txt \
	  --output-file .ci/requirements-extras.txt
	$(COMPILE) --extra docs --output-file .ci/requirements-docs.txt

clean:
	rm -rf $(VENV) $(VENV)-extras $(VENV)-oldest $(VENV)-docs $(VENV)-packages results report.html \
	  docs/_build docs/api docs/auto_examples .coverage .*_cache .hypothesis
