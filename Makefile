# make demo: set up and run the main job. make test: set up and pass the tests. Both as root.
PATH := $(CURDIR)/.venv/bin:$(PATH)
export PATH

.PHONY: demo test setup check fuzz sanitize soak oracle bench bench-book bench-tick bench-risk stress-risk stress-engine heal clean

demo: setup
	tailgate run scenarios/quickstart

# Lint, types and the C side by side; then two workers; labs are played one at a time, with nothing beside them.
test: setup
	@$(MAKE) --jobs=3 --output-sync=target --no-print-directory check sanitize fuzz
	pytest -n 2 --no-loadscope-reorder

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
FUZZ_SECONDS ?= 20
fuzz: setup
	ci/fuzz $(FUZZ_SECONDS)

# A hundred million messages with faults through the feed, in one process: about two minutes.
soak: setup
	@[ -f build/soak/build.ninja ] || meson setup build/soak -Dbuildtype=release >/dev/null
	ninja -C build/soak --quiet tests/soak/feed_soak
	build/soak/tests/soak/feed_soak

# Thousands of seeded worlds against two independent oracles: of feed recovery, and of everything from book to order.
oracle: setup
	python -m tests.feed_oracle --cases 5000 --seed 1
	python -m tests.engine_oracle --cases 5000 --seed 1

bench: setup
	tailgate bench wires
	tailgate bench tap

# Decoder and book over five million messages of 500 symbols, beside PyPI's itchcpp and itch-book.
bench-book: setup
	@[ -f build/bench/build.ninja ] || meson setup build/bench -Dbuildtype=release >/dev/null
	@ninja -C build/bench --quiet tests/bench/book_bench
	python tests/bench/book_bench.py build/bench/tests/bench/book_bench

# Tick to order in process, stage by stage: percentiles of ns.
bench-tick: setup
	python tests/bench/tick_bench.py

# Cost of the whole risk gate: p50 and p99 of single decisions.
bench-risk: setup
	@[ -f build/bench/build.ninja ] || meson setup build/bench -Dbuildtype=release >/dev/null
	@ninja -C build/bench --quiet tests/bench/risk_bench && build/bench/tests/bench/risk_bench

# Millions of decisions while another thread changes limits, corrupts tables, kills and re-arms.
stress-risk: setup
	@[ -f build/bench/build.ninja ] || meson setup build/bench -Dbuildtype=release >/dev/null
	@ninja -C build/bench --quiet tests/engine/risk/risk_stress && build/bench/tests/engine/risk/risk_stress 30000000

# The same for a whole engine whose strategies are deployed, planned and rolled back besides; and that its judge bites.
STRESS_SEED ?= 1
stress-engine: setup
	@[ -f build/bench/build.ninja ] || meson setup build/bench -Dbuildtype=release >/dev/null
	@ninja -C build/bench --quiet stress-engine
	@build/bench/tests/engine/engine_stress build/bench/engine/strategy/shipped 30000000 $(STRESS_SEED)
	@build/bench/tests/engine/engine_stress build/bench/engine/strategy/shipped 500000 $(STRESS_SEED) wrong

heal: setup
	tailgate heal

clean:
	rm -rf .venv build
