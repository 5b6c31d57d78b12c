# SPDX-License-Identifier: MIT
#
# libholdfast, shared and static, its pkg-config file, its examples, and the generated Python that
# the example in Python uses. Both libraries show holdfast_* and nothing else.

LIB_VERSION = 0.1.0
LIB_SONAME = libholdfast.so.0
# Named one by one: libzmq's own pkg-config file asks for more than Debian has when one links
# statically.
LIB_LIBS = -lzmq -lyaml -lprotobuf-c -lcrypto
LIB_SHARED = $(BUILD)/lib/libholdfast.so.$(LIB_VERSION)
LIB_STATIC = $(BUILD)/lib/libholdfast.a
# All of client/, and of protocol/ and common/ what it needs.
LIB_PARTS = $(BUILD)/lib/part-client.a $(BUILD)/lib/part-protocol.a $(BUILD)/lib/part-common.a
LIB_INPUT = --whole-archive $(BUILD)/lib/part-client.a --no-whole-archive \
            --start-group $(BUILD)/lib/part-protocol.a $(BUILD)/lib/part-common.a --end-group
comma = ,

all: $(LIB_SHARED) $(LIB_STATIC) $(BUILD)/lib/holdfast.pc $(BUILD)/python/holdfast_pb2.py \
     client-examples

# A sanitizer's own symbols come with the program, so they stay undefined here.
$(LIB_SHARED): $(LIB_PARTS)
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) -shared -Wl,-soname,$(LIB_SONAME) $(if $(SANITIZE),,-Wl,-z,defs) -Wl,-z,relro,-z,now \
	    $(LDFLAGS_SANITIZE) $(LDFLAGS) -o $@ \
	    $(addprefix -Wl$(comma),$(LIB_INPUT)) $(LIB_LIBS)
	@ln -sf libholdfast.so.$(LIB_VERSION) $(@D)/$(LIB_SONAME)
	@ln -sf $(LIB_SONAME) $(@D)/libholdfast.so

# One object, in which what is hidden becomes local: a program's own functions cannot collide.
$(LIB_STATIC): $(LIB_PARTS)
	@mkdir -p $(@D)
	@echo '  AR $@'
	@ld -r -o $(BUILD)/lib/libholdfast.o $(LIB_INPUT)
	@objcopy --localize-hidden $(BUILD)/lib/libholdfast.o
	@rm -f $@
	@ar rcs $@ $(BUILD)/lib/libholdfast.o

$(BUILD)/lib/holdfast.pc: client/holdfast.pc.in
	@mkdir -p $(@D)
	@sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@VERSION@,$(LIB_VERSION),' \
	    -e 's,@LIBS@,$(LIB_LIBS),' $< > $@

$(BUILD)/python/holdfast_pb2.py: protocol/holdfast.proto
	@mkdir -p $(@D)
	@echo '  PROTOC $@'
	@protoc --proto_path=protocol --python_out=$(@D) $<

# The examples see the public header and the shared library, as a user's program does.
CLIENT_EXAMPLES = $(patsubst client/examples/%.c,$(BUILD)/examples/%, \
                    $(wildcard client/examples/*.c))
.PHONY: client-examples
client-examples: $(CLIENT_EXAMPLES)
$(BUILD)/examples/%: client/examples/%.c client/holdfast.h client/holdfast_view.h \
                     client/holdfast_events.h $(LIB_SHARED)
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) $(OPTIMISE) -Iclient -o $@ $< -L$(BUILD)/lib -lholdfast \
	    -Wl,-rpath,'$$ORIGIN/../lib' $(LDFLAGS_SANITIZE)

.PHONY: install install-client
install: install-client
install-client: $(LIB_SHARED) $(LIB_STATIC) $(BUILD)/lib/holdfast.pc
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 client/holdfast.h client/holdfast_view.h client/holdfast_events.h \
	    $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(LIB_STATIC) $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(LIB_SHARED) $(DESTDIR)$(PREFIX)/lib/
	ln -sf libholdfast.so.$(LIB_VERSION) $(DESTDIR)$(PREFIX)/lib/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(DESTDIR)$(PREFIX)/lib/libholdfast.so
	sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@VERSION@,$(LIB_VERSION),' -e 's,@LIBS@,$(LIB_LIBS),' \
	    client/holdfast.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/holdfast.pc
