# Speed: the floor, the load generator, and the tables that they make. Nothing here passes or fails by time.
LOAD_SRC := $(wildcard src/base/*.c src/wire/*.c src/cli/bench*.c src/cli/options.c) src/io/clock.c src/io/dial.c src/io/stream.c
LOAD_OBJ := $(LOAD_SRC:src/%.c=$(B)/obj/%.o)

$(B)/bench/floor: bench/floor.c mk/variants.mk
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LDFLAGS)

$(B)/bench/load: bench/load.c $(LOAD_OBJ)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LOAD_OBJ) $(LDFLAGS)

$(B)/bench/micro_%: bench/micro_%.c $(B)/liball.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(B)/liball.a $(LDFLAGS) $(LIBS_all)

# Clients that come and go over TLS.
$(B)/bench/tls_floor: bench/tls_floor.c mk/variants.mk
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LDFLAGS) $(LIBS_client)

$(B)/bench/tls_load: bench/tls_load.c $(B)/obj/cli/bench_cpu.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS_client)

bench: ## tables of CPU time, instructions and system calls per message (BASE=<commit> adds the change)
	BASE=$(BASE) bench/run
	bench/instructions
	bench/syscalls

bench-instructions: ## user instructions per message of the brokers
	bench/instructions

bench-syscalls: ## system calls per message of the brokers
	bench/syscalls

bench-tls: ## CPU time per TLS connection, in full and resumed, and memory per idle one, beside OpenSSL alone and mosquitto
	BASE=$(BASE) bench/tls
.PHONY: bench bench-instructions bench-syscalls bench-tls

soak: all ## ten minutes of a busy site (SECONDS, CONNECTIONS), after which nothing of it may be left
	MT_BUILD=$(B) bench/soak $(or $(SECONDS),600) $(or $(CONNECTIONS),5000)
.PHONY: soak

bench-policy: all ## what rules and their changes cost the traffic, and how long a revocation takes
	bench/policy
.PHONY: bench-policy
