# make demo: the whole way on the simulated world; make test: every test that needs neither account, GPU nor network.
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

PICTURE_BBOX = 114.24 30.54 114.34 30.63
PICTURE = docs/img/wuhan.jpg
CARD = docs/img/card.jpg

TOOLS = $(VENV)-tools
PYTHON_LOCKED = 3.11
UV = $(TOOLS)/bin/uv pip compile --quiet --no-config --generate-hashes --no-annotate --no-header
NO_ADDRESSES = --no-emit-index-url --no-emit-find-links

.PHONY: demo picture card counts docs test test-long test-local-ee lint lock sbom clean

demo: $(VENV)/.demo
	$(BIN)/isamap export --region wuhan --month 2019-06 --max-patches 400 --out $(DATA)
	$(BIN)/isamap train --data $(DATA) --recipe crofusenet-tiny --out $(RUN) --set epochs=4
	$(BIN)/isamap evaluate --checkpoint $(RUN) --data $(DATA) --split test
	$(BIN)/isamap map --checkpoint $(RUN) --region wuhan --month 2020-06 --bbox $(DEMO_BBOX) --out $(MAP)
	$(BIN)/isamap publish $(MAP) --asset $(ASSET)
	$(BIN)/isamap view $(MAP) --out $(OUT)/wuhan.png

# The README's figure, with the network that `make demo` trained.
picture: demo
	$(BIN)/isamap export --region wuhan --month 2020-07 --bbox $(PICTURE_BBOX) --split random --out $(OUT)/data/picture
	$(BIN)/isamap map --checkpoint $(RUN) --region wuhan --month 2020-07 --bbox $(PICTURE_BBOX) --out $(OUT)/maps/picture.tif
	$(BIN)/python -c "import inference; inference.figure_panels('$(OUT)/data/picture', '$(OUT)/maps/picture.tif', out='$(OUT)/picture.png')"
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

# The documentation site, in build/docs; a warning is an error.
docs: $(VENV)/.docs counts
	$(BIN)/python -m sphinx -W --keep-going --quiet -b html docs build/docs
	@echo "open build/docs/index.html"

# Two tests at a time: more than one thread each would wait for the other's. Compiled modules are kept for the many
# processes that the tests start, whatever the machine has set.
TEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

test: $(VENV)/.test
	$(TEST) $(BIN)/python -m pytest -n 2

test-long: $(VENV)/.test
	$(TEST) $(BIN)/python -m pytest -n 2 -m "long and not google"

# The local engine installed alone: its own tests in an environment that holds nothing else of this project.
test-local-ee:
	rm -rf $(VENV)-local-ee && $(PYTHON) -m venv $(VENV)-local-ee
	rm -rf $(VENV)-local-ee/alone $(VENV)-local-ee/source && mkdir -p $(VENV)-local-ee/alone/tests
	cp -r local_ee $(VENV)-local-ee/source  # pip leaves its build folder beside the sources
	$(VENV)-local-ee/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) "$(VENV)-local-ee/source[test]"
	cp setup.cfg $(VENV)-local-ee/alone && cp -r tests/__init__.py tests/conftest.py tests/local_ee $(VENV)-local-ee/alone/tests
	cd $(VENV)-local-ee/alone && $(TEST) ../bin/python -m pytest -q -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

# Every package that an installation on Linux (x86-64) has, with version and hashes, from PyPI; torch as constraints.txt
# says. Install with: pip install --require-hashes -r requirements.lock && pip install --no-deps .
lock: $(TOOLS)/.done
	$(UV) $(NO_ADDRESSES) --upgrade --python-version $(PYTHON_LOCKED) --python-platform x86_64-unknown-linux-gnu \
		--constraint constraints.txt --output-file requirements.lock setup.cfg

# A bill of materials (CycloneDX 1.6, JSON) of the locked packages; same lock, same file.
sbom: $(TOOLS)/.done
	mkdir -p dist
	$(TOOLS)/bin/cyclonedx-py requirements --output-reproducible --spec-version 1.6 --output-format JSON \
		--output-file dist/isamap.cdx.json requirements.lock

clean:
	rm -rf $(VENV) $(TOOLS) build dist docs/generated $(OUT)/data $(OUT)/runs $(OUT)/maps $(OUT)/wuhan.png $(OUT)/picture.png

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python setup.cfg constraints.txt
	$(PIP) -e .
	touch $@

$(VENV)/.docs: $(VENV)/bin/python setup.cfg constraints.txt
	$(PIP) -e ".[docs]"
	touch $@

$(VENV)/.test: $(VENV)/bin/python setup.cfg constraints.txt
	$(PIP) -e ".[test]"
	touch $@ $(VENV)/.demo

$(TOOLS)/.done:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.5" "cyclonedx-bom>=5"
	touch $@
