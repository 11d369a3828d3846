# Needs Python 3.11 or later, make, and a package index. `make demo` first, `make test` second.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Most tests wait for servers rather than compute: more processes than cores pay.
TEST_PROCESSES ?= 4
READY := $(VENV)/.openoms-installed

.PHONY: help setup native demo test test-loaded test-pure check format bench conformance-ceph conformance-cloud lock clean

help:
	@echo "make demo              two loopback clouds, one migration, one check (under a minute)"
	@echo "make test              the test suite"
	@echo "make test-loaded       the timing-sensitive tests, to run beside busy loops"
	@echo "make test-pure         the engine's own tests without compiled modules"
	@echo "make check             ruff, mypy, import-linter"
	@echo "make format            let ruff format and mend what it can"
	@echo "make bench             speed, as ratios to rclone in the same run"
	@echo "make conformance-ceph  the store conformance suite against Ceph radosgw (Debian packages)"
	@echo "make conformance-cloud CLOUD=… BUCKET=… [REGION=…]   the same against an account of yours"
	@echo "make lock              resolve requirements.lock anew (needs uv)"
	@echo "make clean             remove the environment and all caches"

setup: $(READY) native

# The hot modules, compiled where a C compiler is; OPENOMS_PURE=1 leaves them Python.
native: $(READY)
	@$(BIN)/python tools/native.py

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 setup" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked requirements into $(VENV): half a minute"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	@$(BIN)/python tools/native.py --keep
	@$(BIN)/openoms demo

test: native
	$(BIN)/python -m pytest -m "not bench" -q -n $(TEST_PROCESSES) --dist loadfile

# The tests that wait for things, for a machine that is busy with others.
test-loaded: native
	$(BIN)/python -m pytest tests/faults tests/unit/engine/wire tests/e2e/test_serve_pauses.py tests/api/test_serve.py \
	  -m "not bench" -q -n $(TEST_PROCESSES) --dist loadfile

# What has no compiler runs the same sources: their own tests, without compiled modules.
test-pure: $(READY)
	OPENOMS_PURE=1 $(BIN)/python tools/native.py
	OPENOMS_PURE=1 $(BIN)/python -m pytest tests/unit/engine tests/unit/adapters tests/faults -q -n $(TEST_PROCESSES) --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: native
	$(BIN)/python -m tests.bench

conformance-ceph: native
	tests/conformance/ceph.sh $(BIN)/python

# Keys as for `openoms migrate`: OPENOMS_SOURCE_AK, OPENOMS_SOURCE_SK, or the vendor's own variables. OPTIONS="a=b c=d".
conformance-cloud: $(READY)
	@$(BIN)/python -m tests.conformance.cloud --cloud "$(CLOUD)" --bucket "$(BUCKET)" \
	  $(if $(REGION),--region "$(REGION)") $(if $(ENDPOINT),--endpoint "$(ENDPOINT)") \
	  $(if $(ADDRESSING),--addressing "$(ADDRESSING)") $(if $(PROFILE),--profile "$(PROFILE)") \
	  $(if $(PREFIX),--prefix "$(PREFIX)") $(if $(ARCHIVE),--archive) $(if $(SHOW_NAMES),--show-names) \
	  $(foreach option,$(OPTIONS),--option "$(option)")

lock:
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra all pyproject.toml requirements-dev.in -o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build tests/bench/build
	find engine adapters -name '*.so' -delete
	rm -f engine/*.stamp
	find engine adapters worker tests -name __pycache__ -type d -prune -exec rm -rf {} +
