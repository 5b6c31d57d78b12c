# SPDX-License-Identifier: MIT
#
# make bench, make bench-quick: the comparison with the naive way. Included by the Makefile.

BENCH_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/*.c))

$(BUILD)/bench/bench: $(BENCH_OBJECTS) $(ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $(BENCH_OBJECTS) $(LINK_PARTS) -pthread

.PHONY: bench bench-quick bench-programs
bench-programs: all $(BUILD)/bench/bench

# A bulk file beside interactive operations: about 2 minutes.
.PHONY: bench-bulk
bench-bulk: deps
	@$(MAKE) --no-print-directory -s all $(BUILD)/tests/integration/load
	@BUILD="$(BUILD)" /usr/bin/python3 -B bench/bulk.py

# Minutes: about 12 and 2.
bench: deps
	@$(MAKE) --no-print-directory bench-programs
	@BUILD="$(BUILD)" bench/run.sh --seconds 20 --rounds 5

bench-quick: deps
	@$(MAKE) --no-print-directory bench-programs
	@BUILD="$(BUILD)" bench/run.sh --seconds 4 --rounds 3

# What a hundred consoles cost the write path: about five minutes.
.PHONY: bench-consoles
bench-consoles: deps
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD) all test-programs
	@BUILD="$(BUILD)" /usr/bin/python3 -B bench/consoles.py
