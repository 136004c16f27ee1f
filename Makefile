# make demo: the whole way on the simulated world; CATALOG=open: a map of the real Wuhan, no account and no training.
# make test: the default tests; make test-all: the long ones and the engine's too. None needs an account, a GPU or a network.
# PIP_ARGS goes to pip as it is, for example the index of PyTorch's CPU builds (see docs/install.md).
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
OUT ?= .

BIN = $(VENV)/bin
# Versions that the tests passed with, also of what builds (new pips ask the second name for those). CONSTRAINTS= is without.
CONSTRAINTS ?= constraints.txt
PINNED = PIP_CONSTRAINT=$(CONSTRAINTS) PIP_BUILD_CONSTRAINT=$(CONSTRAINTS)
PIP = $(PINNED) $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)
DATA = $(OUT)/data/wuhan-2019-06
RUN = $(OUT)/runs/wuhan
MAP = $(OUT)/maps/wuhan-2020-06.tif
ASSET = projects/local/assets/isa/wuhan_2020_06
DEMO_BBOX = 114.15 30.50 114.35 30.65
CATALOG ?= world

SAMPLES ?= ../shared/data
CARD = docs/img/card.jpg

TOOLS = $(VENV)-tools
PYTHON_LOCKED = 3.11
UV = $(TOOLS)/bin/uv pip compile --quiet --no-config --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	--python-version $(PYTHON_LOCKED) --python-platform x86_64-unknown-linux-gnu
TESTED = --extra runtime --extra cluster --extra foundation --extra docs --extra test --extra learning

.PHONY: demo smoke picture card counts notebooks docs test test-long test-all test-newest test-random test-engine engine-venv \
	slow mutants lint style types engine-types lock sbom release clean

ifeq ($(CATALOG),open)
demo: $(VENV)/.demo
	$(BIN)/isamap map --checkpoint starter --catalog open --bbox $(DEMO_BBOX) --month 2023-06 --out $(OUT)/maps/wuhan-real.tif
	$(BIN)/isamap view $(OUT)/maps/wuhan-real.tif --out $(OUT)/wuhan-real.png
else
demo: $(VENV)/.demo
	$(BIN)/isamap export --region wuhan --month 2019-06 --max-patches 400 --catalog $(CATALOG) --out $(DATA)
	$(BIN)/isamap train --data $(DATA) --recipe crofusenet-tiny --out $(RUN) --set epochs=4
	$(BIN)/isamap evaluate --checkpoint $(RUN) --data $(DATA) --split test
	$(BIN)/isamap map --checkpoint $(RUN) --region wuhan --month 2020-06 --bbox $(DEMO_BBOX) --catalog $(CATALOG) --out $(MAP)
	$(BIN)/isamap publish $(MAP) --asset $(ASSET)
	$(BIN)/isamap view $(MAP) --out $(OUT)/wuhan.png
endif

# The README's figure. SAMPLES holds terramind/, the folders of TerraMind's examples (docs/real-samples.md).
picture: $(VENV)/.demo
	$(BIN)/python -m benchmarks.starter_picture --data $(SAMPLES) --out docs/img/starter.jpg

# The figure of docs/card.md: contact sheet, footprints and labels of a card, side by side.
define CARD_PICTURE
from PIL import Image
sheet, ground, labels = (Image.open(f"$(DATA)/card/{name}.png") for name in ("contact-sheet", "footprints", "labels"))
labels = labels.resize((ground.width, labels.height * ground.width // labels.width), Image.LANCZOS)
picture = Image.new("RGB", (sheet.width + ground.width + 24, max(sheet.height, ground.height + labels.height)), "white")
for image, place in ((sheet, (0, 0)), (ground, (sheet.width + 24, 0)), (labels, (sheet.width + 24, ground.height))):
    picture.paste(image, place)
picture.save("$(CARD)", quality=75)
endef
export CARD_PICTURE

card: $(VENV)/.demo
	$(BIN)/isamap export --region wuhan --month 2019-06 --max-patches 400 --out $(DATA)
	$(BIN)/isamap inspect $(DATA)
	$(BIN)/python -c "$$CARD_PICTURE"

# Counts, tables and lists of tests in README and docs/, from the code.
counts: $(VENV)/.demo
	$(BIN)/python -m benchmarks.counts
	$(BIN)/python docs/llms.py

# The notebooks with the outputs that they are stored with: run one after the other, all but the first on the simulated world.
notebooks: $(VENV)/.test
	$(BIN)/python -m benchmarks.notebooks

# The documentation site, in build/docs; a warning is an error.
docs: $(VENV)/.docs counts
	$(BIN)/python -m sphinx -W --keep-going --quiet -b html docs build/docs
	@echo "open build/docs/index.html"

# The way of the demo in a minute, over a small place: what is broken everywhere shows here first. It compiles the kernels,
# which both workers of the tests then read.
SMOKE = ISAMAP_HOME=$(OUT)/build/smoke/home $(BIN)/isamap

smoke: $(VENV)/.test
	rm -rf $(OUT)/build/smoke
	$(SMOKE) export --region wuhan --month 2019-06 --bbox 114.25 30.53 114.31 30.58 --out $(OUT)/build/smoke/data
	$(SMOKE) train --data $(OUT)/build/smoke/data --recipe crofusenet-tiny --out $(OUT)/build/smoke/run --set epochs=1
	$(SMOKE) map --checkpoint $(OUT)/build/smoke/run --region wuhan --month 2019-06 --bbox 114.26 30.54 114.29 30.56 \
		--out $(OUT)/build/smoke/map.tif
	$(SMOKE) publish $(OUT)/build/smoke/map.tif --asset projects/local/assets/smoke

# Two tests at a time: more than one thread each would wait for the other's. Compiled modules are kept for the many
# processes that the tests start, whatever the machine has set. Tests of one file share a worker and so its fixtures; files
# begin in the order that tests/conftest.py gives them. ARGS goes to pytest. What fails is run once more (.ci/verdict.py).
ALONE = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
TWO = -n 2 --dist loadfile --no-loadscope-reorder
TEST = $(ALONE) $(BIN)/python .ci/verdict.py $(TWO)
EVERYTHING = -m "not google and not network"

ENGINE = -C local_ee PYTHON="$(abspath $(BIN)/python)" VENV="$(abspath $(VENV))-local-ee" PIP_ARGS="$(PIP_ARGS)" \
	CONSTRAINTS="$(addprefix ../,$(CONSTRAINTS))"

test: $(VENV)/.test
	$(TEST) $(ARGS)

test-long: $(VENV)/.test
	$(TEST) -m "long and not google and not network" $(ARGS)

# The engine's own tests, in a virtual environment that holds nothing of isamap.
test-engine: engine-venv
	$(MAKE) $(ENGINE) test

# Everything: the product's tests, short and long at once, as many files make one thing for tests of both; and the engine's.
test-all: $(VENV)/.test
	$(MAKE) -j 2 lint engine-venv
	$(TEST) $(EVERYTHING)
	$(MAKE) test-engine ARGS='-m ""'

# The default tests with the newest releases of all libraries, which the lock keeps away from the others.
test-newest:
	$(MAKE) test VENV=$(VENV)-newest CONSTRAINTS=

# The default tests with other drawn examples, which the seed draws again. What it finds becomes an example of its test.
SEED ?= $(shell $(PYTHON) -c "import random; print(random.randrange(2**32))")
test-random: $(VENV)/.test
	@echo "make test-random SEED=$(SEED)"
	$(ALONE) $(BIN)/python -m pytest $(TWO) --hypothesis-profile=random --hypothesis-seed=$(SEED) $(ARGS)

engine-venv: $(VENV)/.test
	$(MAKE) $(ENGINE) "$(abspath $(VENV))-local-ee/.test"

# The test files and the fixtures that take longest, in seconds of both sets, from one run.
slow: $(VENV)/.test
	rm -rf build/durations
	$(ALONE) $(BIN)/python -m pytest $(TWO) $(EVERYTHING) -q -p benchmarks.slow_tests $(ARGS) || true
	$(BIN)/python -m benchmarks.slow_tests

# How many small changes of the program the nearest tests notice, in build/mutants.
mutants: $(VENV)/.test
	$(BIN)/python -m benchmarks.mutants --out build/mutants

lint: style types engine-types

style: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

types: $(VENV)/.test
	$(BIN)/mypy

engine-types: $(VENV)/.test
	cd local_ee && $(abspath $(BIN)/mypy)

# What a fresh installation on Linux (x86-64) gets, from PyPI. constraints.txt: versions of all that the tests use, for
# `make` and `pip install -c`; a CPU build of torch counts. requirements.lock: what isamap alone needs, with hashes, for
# `pip install --require-hashes -r requirements.lock && pip install --no-deps ./local_ee .`. torch stays as it is pinned.
lock: $(TOOLS)/.done
	mkdir -p build/lock && grep -v '^    local-ee' setup.cfg > build/lock/setup.cfg && cp pyproject.toml README.md build/lock
	grep '^torch==' constraints.txt > build/lock/torch.txt
	echo 'setuptools>=77' > build/lock/build.in
	$(UV) --upgrade --constraint build/lock/torch.txt $(TESTED) --output-file build/lock/constraints.txt \
		build/lock/setup.cfg local_ee/pyproject.toml build/lock/build.in
	$(UV) --upgrade --constraint build/lock/constraints.txt --generate-hashes --output-file requirements.lock \
		build/lock/setup.cfg local_ee/pyproject.toml
	cp build/lock/constraints.txt constraints.txt

# A bill of materials (CycloneDX 1.6, JSON) of the locked packages; same lock, same file.
sbom: $(TOOLS)/.done
	mkdir -p dist
	$(TOOLS)/bin/cyclonedx-py requirements --output-reproducible --spec-version 1.6 --output-format JSON \
		--output-file dist/isamap.cdx.json requirements.lock

# Source archives and wheels of both packages in dist/, checked, and tried in an environment with nothing else. No upload.
release: $(TOOLS)/.done
	rm -rf dist && mkdir dist
	$(TOOLS)/bin/python -m build --outdir dist .
	$(TOOLS)/bin/python -m build --outdir dist local_ee
	$(TOOLS)/bin/twine check --strict dist/*
	$(TOOLS)/bin/python packaging/release.py try dist

clean:
	rm -rf $(VENV) $(VENV)-local-ee $(TOOLS) build dist docs/generated $(OUT)/data $(OUT)/runs $(OUT)/maps $(OUT)/wuhan.png $(OUT)/picture.png

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python setup.cfg local_ee/pyproject.toml constraints.txt
	$(PIP) -e ./local_ee -e .
	touch $@

$(VENV)/.docs: $(VENV)/bin/python setup.cfg local_ee/pyproject.toml constraints.txt
	$(PIP) -e ./local_ee -e ".[docs]"
	touch $@

$(VENV)/.test: $(VENV)/bin/python setup.cfg local_ee/pyproject.toml constraints.txt
	$(PIP) -e "./local_ee[test]" -e ".[test]"
	touch $@ $(VENV)/.demo

$(TOOLS)/.done:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.5" "cyclonedx-bom>=5" "build>=1.2" "twine>=6"
	touch $@
