# make demo: set up and run the main job. make test: set up and pass the tests. Both as root.
PATH := $(CURDIR)/.venv/bin:$(PATH)
export PATH

.PHONY: demo test setup check fuzz sanitize bench heal clean

demo: setup
	tailgate run scenarios/quickstart

test: setup check sanitize fuzz
	pytest

setup:
	@ci/setup

check: setup
	ruff check .
	ruff format --check .
	mypy

# C unit tests under address and undefined-behaviour sanitizers.
sanitize: setup
	ci/sanitize

# Every fuzz target for FUZZ_SECONDS.
FUZZ_SECONDS ?= 60
fuzz: setup
	ci/fuzz $(FUZZ_SECONDS)

bench: setup
	tailgate bench wires
	tailgate bench tap

heal: setup
	tailgate heal

clean:
	rm -rf .venv build
