# SPDX-License-Identifier: MIT
#
# make            programs in build/bin, libraries in build/lib
# make test       all tests; make demo: the retail replay; make help lists the rest
#
# BUILD=dir builds somewhere else; SANITIZE=address|thread|undefined builds with that sanitizer.

BUILD ?= build
CC ?= gcc
PREFIX ?= /usr/local
DESTDIR ?=
SANITIZE ?=

PKGS = libzmq libmariadb yaml-0.1 libprotobuf-c libxxhash json-c libcrypto
WARNINGS = -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wpointer-arith -Wvla -Wundef -Wcast-qual -Werror
HARDENING = -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
ifeq ($(SANITIZE),)
OPTIMISE = -O2 -g $(HARDENING)
else
OPTIMISE = -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LDFLAGS_SANITIZE = -fsanitize=$(SANITIZE)
endif

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE $(WARNINGS) $(OPTIMISE) -fPIC -fvisibility=hidden \
             -I. -I$(BUILD) $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(LDFLAGS_SANITIZE) $(LDFLAGS)

# Folders whose sources, main.c apart, become one archive each.
PARTS = common protocol schema broker workers client cli
PROGRAMS = holdfast holdfast-broker holdfast-worker
FOLDER_holdfast = cli
FOLDER_holdfast-broker = broker
FOLDER_holdfast-worker = workers

PB = $(BUILD)/protocol/holdfast.pb-c
sources = $(filter-out $(1)/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
ARCHIVES = $(foreach p,$(PARTS),$(BUILD)/lib/part-$(p).a)
LINK_PARTS = -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(PKG_LIBS) -lm

.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/bin/%)

$(PB).c $(PB).h: protocol/holdfast.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=protocol --c_out=$(BUILD)/protocol protocol/holdfast.proto

# Generated code is not ours to warn about.
$(PB).o: $(PB).c
	$(CC) -std=c11 $(OPTIMISE) -fPIC -fvisibility=hidden -I$(BUILD)/protocol -c -o $@ $<

$(BUILD)/%.o: %.c | $(PB).h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/schema/apply.o: $(wildcard schema/*.sql)

define part_rule
$(BUILD)/lib/part-$(1).a: $(call objects,$(1)) $(if $(filter protocol,$(1)),$(PB).o)
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach p,$(PARTS),$(eval $(call part_rule,$(p))))

define program_rule
$(BUILD)/bin/$(1): $(BUILD)/$(FOLDER_$(1))/main.o $(ARCHIVES)
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS_ALL) -o $$@ $$< $$(LINK_PARTS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# Unit tests: one program per file, no network and no database.
UNIT_TESTS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(LINK_PARTS) -lcmocka

.PHONY: unit
unit: $(UNIT_TESTS)
	@set -e; for t in $(UNIT_TESTS); do CMOCKA_MESSAGE_OUTPUT=TAP $$t; done

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
