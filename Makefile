# make demo   the main job on a real network        make test   everything CI checks (the same as make check)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo bench bench-arm test test-arm test-engines test-targets check format clean

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	touch $(READY)

demo: $(READY)
	$(BIN)/python examples/fashion_mnist/demo.py --output build/demo

# jitlite beside LiteRT and ONNX Runtime on this machine, in less than ten minutes: docs/benchmarks.md.
bench: $(READY)
	$(BIN)/python -m benchmarks

# The part of that page which llvm-mca (LLVM 16 or newer) predicts for other processors: cycles of the inner loops.
bench-arm: $(READY)
	$(BIN)/python -m benchmarks arm

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

test: check

# Models that Keras, TensorFlow and PyTorch train, converted; in an environment of its own, which takes about 3 GB without CUDA:
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu has a PyTorch that leaves it out.
test-engines: build/engines/.ready
	build/engines/bin/python -m pytest tests/engines

build/engines/.ready: pyproject.toml
	$(PYTHON) -m venv build/engines
	build/engines/bin/python -m pip install --quiet --upgrade pip
	build/engines/bin/python -m pip install --quiet --editable '.[all]' --group dev --group engines
	touch $@

# Every kernel and the example's int8 model on emulated Arm processors, without and with the dot product.
test-arm: $(READY)
	$(BIN)/python -m tests.targets cortex-a72 cortex-a76

# The same on these and on older x86-64 processors.
test-targets: $(READY)
	$(BIN)/python -m tests.targets

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf build dist .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
