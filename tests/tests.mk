# SPDX-License-Identifier: MIT
#
# Programs of the integration and fault tests, one a source file; included by the Makefile.

LOAD_GENERATORS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/*.c))
$(BUILD)/tests/integration/%: $(BUILD)/tests/integration/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -pthread -o $@ $< $(LINK_PARTS)

FAULT_PROGRAMS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/faults/*.c))

# The history checker: a library, which the simulation links too, and a program.
HISTORY = $(BUILD)/lib/history.a
$(HISTORY): $(call objects,tests/history)
	@mkdir -p $(@D)
	@echo '  AR $@'
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/tests/history/check-history: $(BUILD)/tests/history/main.o $(HISTORY) $(ARCHIVES)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(HISTORY) $(LINK_PARTS)

$(BUILD)/tests/unit/test_history: $(HISTORY)
$(BUILD)/tests/unit/test_history: LINK_PARTS := $(HISTORY) $(LINK_PARTS)

$(FAULT_PROGRAMS): $(HISTORY)
$(BUILD)/tests/faults/chaos_clients: $(BUILD)/tests/faults/chaos/runs.o
$(BUILD)/tests/faults/chaos_clients: LINK_PARTS := $(BUILD)/tests/faults/chaos/runs.o $(LINK_PARTS)
$(BUILD)/tests/faults/%: $(BUILD)/tests/faults/%.o $(ARCHIVES)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -pthread -o $@ $< $(HISTORY) $(LINK_PARTS)

# Planted faults, for LD_PRELOAD: not part of any program, and never with a sanitizer.
PLANTED = $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/faults/planted/*.c))
$(BUILD)/tests/faults/planted/%.so: tests/faults/planted/%.c
	@mkdir -p $(@D)
	@echo '  PLANT $@'
	@$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -fPIC -shared -o $@ $< -ldl

test-programs: $(PLANTED) $(LOAD_GENERATORS) $(FAULT_PROGRAMS) $(BUILD)/tests/history/check-history

# A terminal for tests of the console.
CONSOLE_DRIVER = $(BUILD)/tests/console/driver
$(CONSOLE_DRIVER): $(BUILD)/tests/console/driver.o
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $< -lvterm -lutil

test-programs: $(CONSOLE_DRIVER)

# What the console shows, into docs/console.md.
.PHONY: console-screens
console-screens: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all
	@BUILD=$(BUILD) /usr/bin/python3 -B tools/console-screens.py

# The console on every size and terminal, and without a leak: about half an hour.
CONSOLE_RUN = BUILD=$(BUILD) PYTHONPATH=tests/integration /usr/bin/python3 -B tests/console/
.PHONY: console-matrix
console-matrix: deps deps-valgrind
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all test-programs
	@$(CONSOLE_RUN)matrix.py
	@$(CONSOLE_RUN)leaks.py
	@$(CONSOLE_RUN)leaks.py --valgrind
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD)-asan SANITIZE=address,undefined \
	    $(BUILD)-asan/bin/holdfast-console
	@HOLDFAST_CONSOLE=$(BUILD)-asan/bin/holdfast-console $(CONSOLE_RUN)leaks.py --sanitizer

# Programs that measure at a million levels: make test-scale.
SCALE_PROGRAMS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/scale/*.c))
$(BUILD)/tests/scale/%: $(BUILD)/tests/scale/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(LINK_PARTS)

.PHONY: test-scale
test-scale: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) $(SCALE_PROGRAMS)
	@$(BUILD)/tests/scale/view
	@$(BUILD)/tests/scale/view 1000000 4
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all test-programs
	@BUILD=$(BUILD) /usr/bin/python3 -B tests/scale/console.py
	@BUILD=$(BUILD) /usr/bin/python3 -B tests/scale/restart.py
	@BUILD=$(BUILD) /usr/bin/python3 -B tests/scale/audit.py
	@BUILD=$(BUILD) /usr/bin/python3 -B tests/scale/partitions.py
	@BUILD=$(BUILD) PYTHONPATH=tests/integration HOLDFAST_TEST_ROWS=60000 \
	    /usr/bin/python3 -B tests/integration/71-pages.py
include tests/simulate/model/model.mk
