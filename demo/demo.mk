# SPDX-License-Identifier: MIT
#
# make demo: the retail replay against a private cluster. Included by the Makefile.

DEMO_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard demo/*.c))

# The demo links the client library and nothing else of ours: it is a user of the public API.
$(BUILD)/demo/replay: $(DEMO_OBJECTS) $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $(DEMO_OBJECTS) $(LINK_PARTS)

.PHONY: demo demo-programs
demo-programs: all $(BUILD)/demo/replay

# Packages first, and then a make of its own: pkg-config's answers may have changed.
demo: deps
	@$(MAKE) --no-print-directory demo-programs
	@BUILD="$(BUILD)" demo/run.sh
