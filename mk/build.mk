# Products: build/V/mortised, build/V/mortise, build/V/libmortise.{a,so}.
TABLES := $(wildcard spec/*.tbl)
GEN := $(TABLES:spec/%.tbl=build/gen/spec/%.h)
SRC := $(wildcard src/*/*.c)
MAINS := $(filter src/broker/main.c src/cli/main.c,$(SRC))
OBJ := $(SRC:src/%.c=$(B)/obj/%.o)
LIB_OBJ := $(filter-out $(MAINS:src/%.c=$(B)/obj/%.o),$(OBJ))
# What a device links: no broker, no store, no console.
DEVICE_SRC := $(wildcard src/base/*.c src/wire/*.c src/client/*.c) src/topic/name.c \
	$(addprefix src/io/,dial.c stream.c clock.c listen.c file.c) \
	$(addprefix src/tls/,client.c remember.c session.c context.c identity.c peer.c pin.c trust.c pem.c fault.c) \
	$(addprefix src/identity/,book.c template.c) $(addprefix src/crypto/,digest.c scram.c) \
	src/shell/client.c $(wildcard src/shell/client_*.c)
DEVICE_OBJ := $(patsubst src/%.c,$(B)/obj/%.o,$(filter $(SRC),$(DEVICE_SRC)))

PRODUCTS := $(B)/mortised $(B)/mortise $(B)/libmortise.a $(B)/libmortise.so
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))
all: $(PRODUCTS) $(EXAMPLES) ## build every product of variant V (default release)

build/gen/spec/%.h: spec/%.tbl tools/gen
	@mkdir -p $(@D)
	tools/gen $< > $@.tmp && mv $@.tmp $@

$(B)/obj/%.o: src/%.c $(GEN) Makefile mk/variants.mk
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Everything but the mains, for programs and tests.
$(B)/liball.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(B)/mortised: $(B)/obj/broker/main.o $(B)/liball.a
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS_all)

$(B)/mortise: $(B)/obj/cli/main.o $(B)/liball.a
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS_all)

# One object whose hidden symbols are local: the archive offers mortise_* and nothing else.
$(B)/libmortise.o: $(DEVICE_OBJ)
	$(call say,LD)
	$(Q)ld -r -o $@ $^
	$(Q)objcopy --localize-hidden $@

$(B)/libmortise.a: $(B)/libmortise.o
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(B)/examples/%: examples/%.c $(B)/libmortise.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) -Iinclude $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS_client)

examples: $(EXAMPLES) ## build the small programs of examples/ against libmortise

$(B)/libmortise.so: $(DEVICE_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -shared -Wl,-soname,libmortise.so.0 -o $@ $^ $(filter-out -pie,$(LDFLAGS)) $(LIBS_client)

-include $(OBJ:.o=.d)

clean: ## remove everything that was built
	rm -rf build
.PHONY: all examples clean
