# SPDX-License-Identifier: MIT
#
# make demo: the retail replay against a private cluster. Included by the Makefile.

DEMO_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(filter-out demo/corrections.c,$(wildcard demo/*.c)))

# A user of the public API: it links the library as others do, and of our own only the CSV reader.
$(BUILD)/demo/replay: $(DEMO_OBJECTS) $(BUILD)/common/csv.o $(LIB_STATIC)
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS)

# The stock corrections of the data as a bulk file.
$(BUILD)/demo/corrections: $(addprefix $(BUILD)/demo/,corrections.o retail.o opening.o) $(ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(LINK_PARTS)

# The demo is no part of the programs, so its unit test brings its objects along.
DEMO_TESTED = $(BUILD)/demo/opening.o $(BUILD)/demo/plan.o $(BUILD)/demo/retail.o
$(BUILD)/tests/unit/test_demo: $(DEMO_TESTED)
$(BUILD)/tests/unit/test_demo: LINK_PARTS := $(DEMO_TESTED) $(LINK_PARTS)

# tests/integration/80-demo.py runs the one, 68-bulk-file.py the other.
test-programs: $(BUILD)/demo/replay $(BUILD)/demo/corrections

.PHONY: demo demo-programs
demo-programs: all $(BUILD)/demo/replay $(BUILD)/demo/corrections
	@:

# Packages first, and then a make of its own: pkg-config's answers may have changed.
demo: deps
	@$(MAKE) --no-print-directory demo-programs
	@BUILD="$(BUILD)" demo/run.sh
