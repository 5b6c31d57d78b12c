# SPDX-License-Identifier: MIT
#
# What holds the model database against a real one; included by tests/tests.mk.

MODEL = $(BUILD)/tests/simulate
MODEL_CALLS = $(addprefix $(MODEL)/model/,calls.o calls_batch.o calls_claims.o calls_operation.o calls_read.o)
# Without what is only about workers and brokers.
MODEL_OBJECTS = $(addprefix $(MODEL)/,kernel.o chance.o heap.o coroutine.o seams.o) \
                $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/simulate/model_*.c))

$(MODEL)/model/calls_real: $(MODEL)/model/calls_real.o $(MODEL_CALLS) $(ARCHIVES)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(MODEL_CALLS) $(LINK_PARTS)

# What these objects define is not taken from the archives.
$(MODEL)/model/calls_model: $(MODEL)/model/calls_model.o $(MODEL_CALLS) $(MODEL_OBJECTS) $(ARCHIVES)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(MODEL_CALLS) $(MODEL_OBJECTS) $(LINK_PARTS)

test-programs: $(MODEL)/model/calls_real $(MODEL)/model/calls_model

# Unit tests like the others, but for what they are linked with.
MODEL_TESTS = $(patsubst tests/simulate/model/%.c,$(BUILD)/tests/unit/%, \
                $(wildcard tests/simulate/model/test_*.c))
$(MODEL_TESTS): $(BUILD)/tests/unit/%: $(MODEL)/model/%.o $(MODEL_OBJECTS) $(ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(MODEL_OBJECTS) $(LINK_PARTS) -lcmocka

unit-tests: $(MODEL_TESTS)
