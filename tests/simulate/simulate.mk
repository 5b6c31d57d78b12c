# SPDX-License-Identifier: MIT
#
# The simulation; included by the Makefile. See tests/simulate/README.md.
#
# make simulate          a million seeds (SEEDS=, FROM=), and every planted bug
# make simulate-plants   the planted bugs alone (PLANT= some)

SIM_SOURCES = $(wildcard tests/simulate/*.c) \
              $(filter-out tests/history/main.c,$(wildcard tests/history/*.c))
SIM_OBJECTS = $(SIM_SOURCES:%.c=$(BUILD)/%.o)

# What these objects define is not taken from the archives.
SIMULATE = $(BUILD)/tests/simulate/simulate
$(SIMULATE): $(SIM_OBJECTS) $(ARCHIVES)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $(SIM_OBJECTS) $(LINK_PARTS)
	@echo 'BUILD=$(BUILD) SANITIZE=$(SANITIZE) CC=$(CC)' >$(@D)/how

test-programs: $(SIMULATE)

# Each planted bug is a program of its own. Not part of test-programs: 20-plants.py builds them.
PLANTS = $(patsubst tests/simulate/plants/%.patch,%,$(wildcard tests/simulate/plants/*.patch))
$(BUILD)/plants/%/simulate: tests/simulate/plants/%.patch tests/simulate/plant.sh $(SIMULATE)
	@echo '  PLANT $*'
	@CC='$(CC)' CFLAGS='$(CFLAGS_ALL)' LINK='$(LDFLAGS_ALL) $(LINK_PARTS)' \
	    tests/simulate/plant.sh $< $(@D) $(SIM_OBJECTS)

.PHONY: plants
plants: $(PLANTS:%=$(BUILD)/plants/%/simulate)

SEEDS ?= 1000000
FROM ?= 1
.PHONY: simulate simulate-plants
simulate: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) $(SIMULATE)
	@$(SIMULATE) --from $(FROM) --seeds $(SEEDS) --coverage --progress
	@$(MAKE) --no-print-directory simulate-plants

simulate-plants: deps
	@BUILD=$(BUILD) /usr/bin/python3 -B tests/simulate/20-plants.py --all $(PLANT)
