# SPDX-License-Identifier: MIT
#
# The simulation; included by the Makefile. See tests/simulate/README.md.

SIM_SOURCES = $(wildcard tests/simulate/*.c)
SIM_OBJECTS = $(SIM_SOURCES:%.c=$(BUILD)/%.o)

test-programs: $(SIM_OBJECTS)
