# SPDX-License-Identifier: MIT
#
# Programs of the integration and fault tests, one a source file; included by the Makefile.

LOAD_GENERATORS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/*.c))
$(BUILD)/tests/integration/%: $(BUILD)/tests/integration/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -pthread -o $@ $< $(LINK_PARTS)

FAULT_PROGRAMS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/faults/*.c))
$(BUILD)/tests/faults/%: $(BUILD)/tests/faults/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -pthread -o $@ $< $(LINK_PARTS)

test-programs: $(LOAD_GENERATORS) $(FAULT_PROGRAMS)
