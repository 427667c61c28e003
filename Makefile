# make lab    set up once, then open JupyterLab at the first chapter
# make test   set up once, then run everything that is checked: tests, doctests, ruff, mypy, notebooks
# make book   build the book site from the notebooks as they are: _build/html/en/index.html
# make slides make slides for a class from the same notebooks: _build/slides/index.html
# make data   fetch the real text of chapter 08 (5 MB), if the set-up could not
#
# Another Python:        make lab PYTHON=python3.12
# Options of JupyterLab: make lab LAB_ARGS="--no-browser --port 8899"
# Launch links (Colab):  make book BOOK_ARGS="--repository owner/name"

.DEFAULT_GOAL := help
.PHONY: help setup lab test book slides data doctor clean

# Only a Python that was asked for replaces a .venv made by another one.
ifeq ($(origin PYTHON),undefined)
PYTHON := python3
ASKED :=
else
ASKED := --asked
endif

LAB_ARGS ?=
BOOK_ARGS ?=
EXTRAS ?=
RUN := .venv/bin/python

help:
	@sed -n '/^#/!q;s/^#[ ]*//p' Makefile

setup:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "Set-up stopped: there is no $(PYTHON) here: install Python 3.10 or newer, or name one (PYTHON=python3.12)." >&2; \
	  exit 1; }
	@"$(PYTHON)" tools/setup_env.py $(ASKED) $(if $(EXTRAS),--extras $(EXTRAS))

lab: setup
	@JUPYTER_CONFIG_PATH="$(CURDIR)$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  $(RUN) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB_ARGS)

test: setup
# One thread: small arrays, threads only wait for each other. A test that hangs fails after ten minutes, and says where.
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(RUN) -m pytest -n 2 --dist loadfile --timeout 600
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	.venv/bin/lint-imports
	$(RUN) tools/check_notebooks.py

# What a target needs more is passed on to its set-up.
book: EXTRAS := book
book: setup
	@$(RUN) tools/build_book.py $(BOOK_ARGS)

slides: EXTRAS := book
slides: setup
	@$(RUN) tools/make_slides.py

data: setup
	@$(RUN) tools/fetch_data.py

doctor: setup
	@$(RUN) -m seq2seq_edu.doctor

clean:
	rm -rf .venv build _build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
