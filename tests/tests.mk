# SPDX-License-Identifier: MIT
#
# Programs of the integration tests; included by the Makefile.

LOAD_GENERATORS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/*.c))
$(BUILD)/tests/integration/%: $(BUILD)/tests/integration/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -pthread -o $@ $< $(LINK_PARTS)

test-programs: $(LOAD_GENERATORS)
