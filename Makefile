# Everything happens in .venv and build/out; `make clean` removes the latter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The CPU build of torch; where this index cannot be reached, PyPI's build of the same version serves.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP := $(BIN)/pip --disable-pip-version-check install -qq --constraint constraints.txt
QUICK := not slow and not synth

.PHONY: help setup demo test test-slow bench bench-deit bench-efficientvit bench-cifar10 bench-boards lint clean

help:
	@echo "make demo       set up, then the digits network from PyTorch to bit-exact Verilog"
	@echo "make test       set up, then ruff and the tests (coverage of at least 90 %)"
	@echo "make test-slow  the tests that take longer, synthesis among them"
	@echo "make bench      measure everything that docs/benchmarks/ reports"
	@echo "make bench-deit  measure DeiT at 224 x 224 (a quarter of an hour)"
	@echo "make bench-efficientvit  measure EfficientViT and the depthwise engine"
	@echo "make bench-cifar10 CIFAR10=DIR  accuracy and 500 images in RTL, from CIFAR-10's binary version"
	@echo "make bench-boards  make bitstreams, measure area and clock (hours)"
	@echo "make lint       ruff and pyright"
	@echo "make clean      remove build/out"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@build/check-system.sh $(PYTHON)
	@echo "setting up $(VENV) (once, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps --retries 0 --extra-index-url $(TORCH_INDEX) torch
	@$(PIP) --editable '.[fpga,test,lint]'
	@touch $@

demo: setup
	$(BIN)/vitaccel demo

test: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pytest -n 2 -m "$(QUICK)" --cov --cov-report=term:skip-covered --cov-fail-under=90

test-slow: setup
	$(BIN)/pytest -m "not ($(QUICK))"

bench: setup
	$(BIN)/python build/bench/accuracy.py
	$(BIN)/python build/bench/speed.py
	$(BIN)/python build/bench/exact.py
	$(BIN)/python build/bench/units.py
	$(BIN)/python build/bench/resources.py

bench-deit: setup
	$(BIN)/python build/bench/deit.py
	$(BIN)/python build/bench/golden_model.py
	$(BIN)/python build/bench/performance.py

bench-efficientvit: setup
	$(BIN)/python build/bench/efficientvit.py
	$(BIN)/python build/bench/depthwise.py
	$(BIN)/python build/bench/hybrid.py
	$(BIN)/python build/bench/memory.py
	$(BIN)/python build/bench/block.py
	$(BIN)/python build/bench/division.py

bench-cifar10: setup
	$(BIN)/python build/bench/accuracy_cifar10.py $(CIFAR10)
	$(BIN)/python build/bench/images_rtl.py $(CIFAR10)

bench-boards: setup
	$(BIN)/python build/bench/cells.py
	$(BIN)/python build/bench/board_builds.py
	$(BIN)/python build/bench/board_arrays.py

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

clean:
	rm -rf build/out
