# `make demo` shows the bot, `make test` checks it, `make help` lists all targets.
# Dependencies are installed from the lock file into .venv, and nowhere else.

PROMPT ?= a timelapse of clouds
IMAGE ?= localhost/video-bot:test
BIN := .venv/bin

# The stamp holds the interpreter that .venv was made with. It stays in use until another
# is given as PYTHON=, which rebuilds .venv.
READY := .venv/.ready
MADE_WITH := $(shell cat $(READY) 2>/dev/null)
PYTHON ?= $(or $(MADE_WITH),python3)
ifneq ($(PYTHON),$(MADE_WITH))
.PHONY: $(READY)
endif

.PHONY: help demo play demo-replicas test coverage test-browser pictures fuzz chaos soak bench image-test format lock clean

help:
	@echo "make demo [PROMPT=\"...\"]   watch the bot make a video, without accounts"
	@echo "make demo FORM=1           the same with the form and every parameter"
	@echo "make play [PORT=8765]      use the bot in your browser, in a sandbox Slack"
	@echo "make test                  check format, lint, types and import contracts; run the tests"
	@echo "make coverage              run the tests and report which lines they reach"
	@echo "make test-browser          run only the tests of the page of make play (needs Chromium)"
	@echo "make demo-replicas         run three bots on one PostgreSQL, and kill one of them"
	@echo "make fuzz [EXAMPLES=n]     test hostile input, for about two minutes"
	@echo "make chaos [SEED=n]        run hundreds of jobs while processes are killed and frozen at random"
	@echo "make soak [HOURS=h]        run for hours at a steady rate with faults, and watch for growth"
	@echo "make bench                 measure performance"
	@echo "make pictures              update the pictures in the README (needs Chromium)"
	@echo "make image-test            build and test the container image (needs buildah)"
	@echo "make format                format the code"
	@echo "make lock                  update the locked dependencies"
	@echo "Add PYTHON=/path/to/python to use another interpreter; it rebuilds .venv."

demo: $(READY)
	@$(BIN)/python -m bot demo $(if $(FORM),--form) "$(PROMPT)"

play: $(READY)
	@$(BIN)/python -m bot.sandbox.page $(if $(PORT),--port $(PORT))

demo-replicas: $(READY)
	@$(BIN)/python -m bot.sandbox.replicas

fuzz: $(READY)
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),400) $(BIN)/pytest tests/fuzz

chaos: $(READY)
	@$(BIN)/python -m bot.sandbox.chaos $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS))

soak: $(READY)
	@$(BIN)/python -m bot.sandbox.soak $(if $(HOURS),--hours $(HOURS)) $(if $(SEED),--seed $(SEED))

bench: $(READY)
	@$(BIN)/python -m bot.sandbox.bench

test: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml
	$(BIN)/pytest

coverage: $(READY)
	$(BIN)/pytest --cov

test-browser: $(READY)
	$(BIN)/pytest -m browser tests/browser

pictures: $(READY)
	@$(BIN)/python -m tests.browser.pictures

image-test: $(READY)
	@deploy/build-image.sh $(IMAGE)
	IMAGE=$(IMAGE) $(BIN)/pytest -n 0 -m installed tests/packaging/test_image.py

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(READY)
	$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --extra postgres \
		pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --all-extras --group dev \
		-c requirements.txt pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --group build \
		-c requirements-dev.txt -o requirements-build.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .coverage* build dist

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Setting up .venv with $(PYTHON) (once; about a minute) ..."
	@$(PYTHON) -m venv --clear .venv
	@echo "  dependencies, from requirements-dev.txt"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@echo "  the bot itself"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "$(PYTHON)" > $(READY)
