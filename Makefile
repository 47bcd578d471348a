# Two commands do everything: `make demo` shows the bot, `make test` checks it.
# Both set up what they need in .venv, from the lock file, and nothing elsewhere.

PYTHON ?= python3
PROMPT ?= a timelapse of clouds
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo play demo-replicas test chaos bench format lock clean

help:
	@echo "make demo [PROMPT=\"...\"]   see the bot make a video, with no accounts"
	@echo "make demo FORM=1           the same by the form, with every parameter"
	@echo "make play [PORT=8765]      use the bot by hand, in a pretend Slack in your browser"
	@echo "make test                  format, lint, types, import contracts, tests"
	@echo "make demo-replicas         three bots on one PostgreSQL, one of them killed in the middle"
	@echo "make chaos [SEED=n]        hundreds of jobs, processes killed and frozen at random"
	@echo "make bench                 what it bears, in figures"
	@echo "make format                put the code in shape"
	@echo "make lock                  choose new versions of the dependencies"

demo: $(READY)
	@$(BIN)/python -m bot demo $(if $(FORM),--form) "$(PROMPT)"

play: $(READY)
	@$(BIN)/python -m bot.sandbox.page $(if $(PORT),--port $(PORT))

demo-replicas: $(READY)
	@$(BIN)/python -m bot.sandbox.replicas

chaos: $(READY)
	@$(BIN)/python -m bot.sandbox.chaos $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS))

bench: $(READY)
	@$(BIN)/python -m bot.sandbox.bench

test: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml
	$(BIN)/pytest --cov

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(READY)
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --extra postgres \
		pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --all-extras --group dev \
		-c requirements.txt pyproject.toml -o requirements-dev.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .coverage* build dist

# One stamp for the whole set-up, so that the second run starts at once.
$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Setting up .venv (once; a minute or so) ..."
	@$(PYTHON) -m venv .venv
	@echo "  dependencies, from requirements-dev.txt"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@echo "  the bot itself"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
