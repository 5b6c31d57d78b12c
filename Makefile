# SPDX-License-Identifier: MIT
#
# make            programs in build/bin, libraries in build/lib
# make test       all tests; make demo: the retail replay; make help lists the rest
#
# BUILD=dir builds somewhere else; SANITIZE=address,undefined builds with those sanitizers.

BUILD ?= build
# One name for one folder, however it was given: what an object depends on is noted by that name.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
ifeq ($(origin CC),default)
CC = gcc
endif
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
             -I. -isystem $(BUILD) $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(LDFLAGS_SANITIZE) $(LDFLAGS)

# Folders whose sources, main.c apart, become one archive each.
PARTS = common protocol schema broker workers view relay client bulk console cli up
PROGRAMS = holdfast holdfast-broker holdfast-worker holdfast-view holdfast-relay holdfast-console
FOLDER_holdfast = cli
FOLDER_holdfast-broker = broker
FOLDER_holdfast-worker = workers
FOLDER_holdfast-view = view
FOLDER_holdfast-console = console
FOLDER_holdfast-relay = relay

PB = $(BUILD)/protocol/holdfast.pb-c
sources = $(filter-out $(1)/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
ARCHIVES = $(foreach p,$(PARTS),$(BUILD)/lib/part-$(p).a)
LINK_PARTS = -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(PKG_LIBS) -lm

# The console alone needs a terminal library.
$(BUILD)/bin/holdfast-console: LINK_PARTS += -lncursesw -ltinfo

.DEFAULT_GOAL = all
.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/bin/%)

$(PB).c $(PB).h: protocol/holdfast.proto
	@mkdir -p $(@D)
	@echo '  PROTOC $<'
	@protoc-c --proto_path=protocol --c_out=$(BUILD)/protocol protocol/holdfast.proto

# Generated code is not ours to warn about.
$(PB).o: $(PB).c
	@echo '  CC $@'
	@$(CC) -std=c11 $(OPTIMISE) -fPIC -fvisibility=hidden -I$(BUILD)/protocol -c -o $@ $<

$(BUILD)/%.o: %.c $(PB).h
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/schema/apply.o: $(wildcard schema/*.sql)

define part_rule
$(BUILD)/lib/part-$(1).a: $(call objects,$(1)) $(if $(filter protocol,$(1)),$(PB).o)
	@mkdir -p $$(@D)
	@echo '  AR $$@'
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach p,$(PARTS),$(eval $(call part_rule,$(p))))

define program_rule
$(BUILD)/bin/$(1): $(BUILD)/$(FOLDER_$(1))/main.o $(ARCHIVES)
	@mkdir -p $$(@D)
	@echo '  LINK $$@'
	@$(CC) $(LDFLAGS_ALL) -o $$@ $$< $$(LINK_PARTS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# Unit tests: one program per file, no network and no database.
UNIT_TESTS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(ARCHIVES)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(LINK_PARTS) -lcmocka

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

# Fuzzers: clang's libFuzzer, every part built with it, in a folder of their own.
FUZZERS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(ARCHIVES)
	@echo '  LINK $@'
	@$(CC) -fsanitize=fuzzer $(LDFLAGS_ALL) -o $@ $< $(LINK_PARTS)

.PHONY: fuzzers
fuzzers: $(FUZZERS)

# Each program folder may bring rules of its own: libraries, generated pages, test programs.
-include client/client.mk cli/cli.mk demo/demo.mk bench/bench.mk tests/tests.mk tests/simulate/simulate.mk

# ---------------------------------------------------------------- packages
# pkg-config may be missing until these have run, so targets that need them build in a second make.

.PHONY: deps deps-bench deps-dev deps-mysql deps-valgrind
deps:
	@sh tools/deps.sh build run test
deps-bench:
	@sh tools/deps.sh build run bench
deps-dev:
	@sh tools/deps.sh build run test bench dev
deps-mysql:
	@sh tools/deps.sh build run test mysql
deps-valgrind:
	@sh tools/deps.sh build run test valgrind

# ---------------------------------------------------------------- tests

FUZZ_BUILD = $(BUILD)-fuzz
# Warnings are gcc's affair, so that they cannot differ between two compilers.
FUZZ_FLAGS = BUILD=$(FUZZ_BUILD) CC=clang-14 WARNINGS= SANITIZE=fuzzer-no-link,address,undefined
FUZZ_SECONDS ?= 10
JOBS ?= $(shell nproc)

.PHONY: test
test: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all test-programs
	@$(MAKE) --no-print-directory -s -j$(JOBS) $(FUZZ_FLAGS) fuzzers
	@BUILD=$(BUILD) FUZZ_BUILD=$(FUZZ_BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run $(TESTS)

# What tests/run needs beside the programs; fragments add to it.
.PHONY: test-programs
test-programs: unit-tests

.PHONY: unit
unit: unit-tests
	@BUILD=$(BUILD) tests/run --unit

.PHONY: asan
asan: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD)-asan SANITIZE=address,undefined \
	    all test-programs
	@BUILD=$(BUILD)-asan HOLDFAST_TEST_TIMESCALE=10 tests/run $(TESTS)

# Programs and unit tests are run by valgrind; the databases and the tests' own tools are not.
.PHONY: valgrind
valgrind: deps deps-valgrind
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all test-programs
	@BUILD=$(BUILD) HOLDFAST_TEST_TIMESCALE=10 tests/run --valgrind --unit --integration --faults \
	    $(TESTS)

.PHONY: fuzz
DURATION ?= 600
fuzz: deps
	@$(MAKE) --no-print-directory test FUZZ_SECONDS=$(DURATION) TESTS=--fuzz

# Rounds of a minute of faults each, DURATION seconds of them in all, with seeds from SEED on.
.PHONY: chaos
SEED ?= $(shell date +%s)
chaos: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all test-programs
	@BUILD=$(BUILD) PYTHONPATH=tests/integration HOLDFAST_CHAOS_DURATION=$(DURATION) \
	    HOLDFAST_CHAOS_SEED=$(SEED) /usr/bin/python3 -B tests/faults/10-chaos.py
	@BUILD=$(BUILD) PYTHONPATH=tests/integration HOLDFAST_CHAOS_DURATION=$(DURATION) \
	    HOLDFAST_CHAOS_SEED=$(SEED) /usr/bin/python3 -B tests/integration/87-relay-kills.py

# A hundred kills of a client that applies a file, and a hundred with everything else killed meanwhile.
.PHONY: runs-killed
runs-killed: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all test-programs
	@BUILD=$(BUILD) PYTHONPATH=tests/integration HOLDFAST_RUN_KILLS=100 \
	    /usr/bin/python3 -B tests/integration/75-runs-killed.py

# How much of the code that decides the corpora reach.
COVER_FLAGS = BUILD=$(BUILD)-cover CC=clang-14 WARNINGS= SANITIZE=fuzzer-no-link \
              CFLAGS='-fprofile-instr-generate -fcoverage-mapping' LDFLAGS=-fprofile-instr-generate
.PHONY: fuzz-coverage
fuzz-coverage: deps-dev
	@$(MAKE) --no-print-directory -s -j$(JOBS) $(COVER_FLAGS) fuzzers
	@tests/fuzz/coverage.sh $(BUILD)-cover

# The tests with a database once more, with a real MySQL as every shard's server. Needs root once.
# Those without one (90) do not care which it is.
MYSQL_FOLDER ?= build-mysql
MYSQL_TESTS ?= $(filter-out integration/90-house.py,$(patsubst tests/%,%,$(wildcard \
               tests/integration/[0-9]*.py tests/faults/[0-9]*.py)))
.PHONY: test-mysql
test-mysql: deps deps-mysql
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD) all test-programs
	@tools/mysql-root.sh $(MYSQL_FOLDER)
	@BUILD=$(BUILD) HOLDFAST_MYSQLD=$(abspath tests/integration/mysqld-for-tests) \
	    HOLDFAST_TEST_MYSQLD=$(abspath $(MYSQL_FOLDER))/mysqld tests/run \
	    --integration --faults $(if $(TESTS),$(TESTS),$(MYSQL_TESTS))

# ---------------------------------------------------------------- the rest

.PHONY: install install-programs
install: install-programs install-cli
install-programs: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/holdfast
	install -m 755 $(PROGRAMS:%=$(BUILD)/bin/%) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 etc/cluster.yaml etc/cluster.schema.json etc/bulk.schema.json docs/bulk.md \
	    protocol/holdfast.proto \
	    $(DESTDIR)$(PREFIX)/share/holdfast/

.PHONY: help
help:
	@echo 'make               programs in $(BUILD)/bin, libraries in $(BUILD)/lib'
	@echo 'make demo          a private cluster, and a year of real orders through it'
	@echo 'make test          all tests; TESTS="62 63" runs files whose names begin so'
	@echo 'make unit          unit tests alone'
	@echo 'make asan          the tests under AddressSanitizer and UBSan'
	@echo 'make valgrind      the tests with every program of ours under valgrind'
	@echo 'make test-mysql    every test with a database on MySQL 9.7'
	@echo 'make fuzz          fuzzers, DURATION= seconds each'
	@echo 'make chaos         kills and stops under load, DURATION= seconds, SEED= repeats'
	@echo 'make runs-killed   bulk runs killed at a hundred points, and resumed elsewhere'
	@echo 'make simulate      a million seeds of the whole cluster (SEEDS=, FROM=), and every planted bug'
	@echo 'make fuzz-coverage which lines the corpora of the fuzzers reach'
	@echo 'make bench         throughput and latency beside the way most teams write it'
	@echo 'make bench-quick   the same, shorter'
	@echo 'make bench-bulk    a bulk file of 100,000 lines, and what interactive operations feel of it'
	@echo 'make bench-consoles what a hundred consoles cost the write path'
	@echo 'make console-matrix the console on every size and terminal, and 10,000 views without a leak'
	@echo 'make test-scale    memory and pages of a view at a million levels'
	@echo 'make console-screens  puts what the console shows into docs/console.md'
	@echo 'make install       honours PREFIX and DESTDIR'
	@echo 'make deps          installs the Debian packages that are missing'
	@echo 'make clean'

.PHONY: clean
clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-cover $(FUZZ_BUILD)

-include $(shell find $(BUILD) -name mysql-root -prune -o -type f -name '*.d' -print 2>/dev/null)
