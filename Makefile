# make demo: the whole way on the simulated world; CATALOG=open: a map of the real Wuhan, no account and no training.
# make test: the default tests; make test-all: everything that CI runs. None needs an account, a GPU or a network.
# PIP_ARGS goes to pip as it is, for example the index of PyTorch's CPU builds (see docs/install.md).
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
OUT ?= .

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS)
DATA = $(OUT)/data/wuhan-2019-06
RUN = $(OUT)/runs/wuhan
MAP = $(OUT)/maps/wuhan-2020-06.tif
ASSET = projects/local/assets/isa/wuhan_2020_06
DEMO_BBOX = 114.15 30.50 114.35 30.65
CATALOG ?= world

PICTURE_BBOX = 114.24 30.54 114.34 30.63
PICTURE = docs/img/wuhan.jpg
CARD = docs/img/card.jpg

TOOLS = $(VENV)-tools
PYTHON_LOCKED = 3.11
UV = $(TOOLS)/bin/uv pip compile --quiet --no-config --generate-hashes --no-annotate --no-header
NO_ADDRESSES = --no-emit-index-url --no-emit-find-links

.PHONY: demo picture card counts notebooks docs test test-long test-all engine-venv slow mutants lint style types engine-types \
	lock sbom release clean

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

# The README's figure, with the network that `make demo` trained.
picture: demo
	$(BIN)/isamap export --region wuhan --month 2020-07 --bbox $(PICTURE_BBOX) --split random --out $(OUT)/data/picture
	$(BIN)/isamap map --checkpoint $(RUN) --region wuhan --month 2020-07 --bbox $(PICTURE_BBOX) --out $(OUT)/maps/picture.tif
	$(BIN)/python -c "from isamap import inference; isamap.inference.figure_panels('$(OUT)/data/picture', '$(OUT)/maps/picture.tif', out='$(OUT)/picture.png')"
	$(BIN)/python -c "from PIL import Image; Image.open('$(OUT)/picture.png').convert('RGB').save('$(PICTURE)', quality=90)"

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

# The notebooks with the outputs that they are stored with: run on the simulated world, one after the other.
notebooks: $(VENV)/.test
	$(BIN)/python -m benchmarks.notebooks

# The documentation site, in build/docs; a warning is an error.
docs: $(VENV)/.docs counts
	$(BIN)/python -m sphinx -W --keep-going --quiet -b html docs build/docs
	@echo "open build/docs/index.html"

# Two tests at a time: more than one thread each would wait for the other's. Compiled modules are kept for the many
# processes that the tests start, whatever the machine has set. Tests of one file share a worker and so its fixtures; files
# begin in the order that tests/conftest.py gives them.
TEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

ENGINE = -C local_ee PYTHON="$(abspath $(BIN)/python)" VENV="$(abspath $(VENV))-local-ee" PIP_ARGS="$(PIP_ARGS)"

test: $(VENV)/.test
	$(TEST)

test-long: $(VENV)/.test
	$(TEST) -m "long and not google"

# Everything that CI runs: the product's tests, short and long at once, as many files make one thing for tests of both; and
# those of the engine in a virtual environment of its own.
test-all: $(VENV)/.test
	$(MAKE) -j 2 lint engine-venv
	$(TEST) -m "not google and not network"
	$(MAKE) $(ENGINE) test

engine-venv: $(VENV)/.test
	$(MAKE) $(ENGINE) "$(abspath $(VENV))-local-ee/.test"

# The test files that take longest, in seconds of both sets.
slow: $(VENV)/.test
	mkdir -p build
	$(TEST) -m "not google and not network" -q --junitxml build/tests.xml
	$(BIN)/python -m benchmarks.slow_tests build/tests.xml

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

# Every package that an installation on Linux (x86-64) has, with version and hashes, from PyPI; torch as constraints.txt
# says. Install with: pip install --require-hashes -r requirements.lock && pip install --no-deps ./local_ee .
lock: $(TOOLS)/.done
	mkdir -p build/lock && grep -v '^    local-ee' setup.cfg > build/lock/setup.cfg && cp pyproject.toml README.md build/lock
	$(UV) $(NO_ADDRESSES) --upgrade --python-version $(PYTHON_LOCKED) --python-platform x86_64-unknown-linux-gnu \
		--constraint constraints.txt --output-file requirements.lock build/lock/setup.cfg local_ee/pyproject.toml

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
