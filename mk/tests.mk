# Test programs: one per file of tests/unit and tests/model (cmocka), one fuzz target per file of tests/fuzz.
UNIT_SRC := $(wildcard tests/unit/*.c)
SPEC_SRC := $(wildcard tests/spec/*.c)
MODEL_SRC := $(wildcard tests/model/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/*.c)
UNIT := $(UNIT_SRC:%.c=$(B)/%)
SPEC := $(SPEC_SRC:%.c=$(B)/%)
MODEL := $(MODEL_SRC:%.c=$(B)/%)
FUZZ := $(FUZZ_SRC:%.c=build/fuzz/%)

$(B)/tests/unit/%: tests/unit/%.c $(B)/liball.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(B)/liball.a $(LDFLAGS) $(LIBS_all) -lcmocka

$(B)/tests/spec/%: tests/spec/%.c $(B)/liball.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(B)/liball.a $(LDFLAGS) $(LIBS_all) -lcmocka

$(B)/tests/model/%: tests/model/%.c $(B)/liball.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(B)/liball.a $(LDFLAGS) $(LIBS_all) -lcmocka

$(B)/tests/fuzz/%: tests/fuzz/%.c $(B)/liball.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $< $(B)/liball.a $(LDFLAGS) $(LIBS_all)

-include $(UNIT:=.d) $(SPEC:=.d) $(MODEL:=.d) $(wildcard build/fuzz/tests/fuzz/*.d)

unit: $(UNIT) ## run the unit tests of variant V
	tools/run-tests $(UNIT)

spec-tests: $(SPEC) ## run the tests of the standard, chapter by chapter, in variant V
	tools/run-tests $(SPEC)

model: $(MODEL) ## run the model tests of variant V
	tools/run-tests $(MODEL)

fuzz-targets: $(FUZZ)

fuzz-smoke: ## every fuzz target for ten seconds
	$(MAKE) --no-print-directory V=fuzz fuzz-targets
	tools/run-tests -w tools/fuzz-smoke $(FUZZ)

# Scripts that start the products themselves: one after another, for their ports and clocks; build/V in $$MT_BUILD.
INTEROP := $(sort $(wildcard tests/interop/*.sh tests/interop/*.py))
interop: all ## run the scripts of tests/interop against the products of variant V
	MT_BUILD=$(B) tools/run-tests -j 1 $(shell for f in $(INTEROP); do [ -x $$f ] && echo $$f; done)

# Attacks on the products, one class a script.
threats: all ## run the scripts of tests/threats against the products of variant V
	MT_BUILD=$(B) tools/run-tests -j 2 $(shell for f in $(sort $(wildcard tests/threats/*)); do [ -f $$f ] && [ -x $$f ] && echo $$f; done)

proof: ## search the Spin models of spec/models, and find their planted errors
	tools/run-tests tests/proof/models.sh
.PHONY: unit spec-tests model proof fuzz-targets fuzz-smoke interop threats

# The simulator: one program of all files of tests/sim.
SIM := $(B)/tests/sim/sim
SIM_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/sim/*.c))
$(B)/tests/sim/%.o: tests/sim/%.c $(wildcard tests/sim/*.h) $(B)/liball.a
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -c -o $@ $<

$(SIM): $(SIM_OBJ) $(B)/liball.a
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -o $@ $(SIM_OBJ) $(B)/liball.a $(LDFLAGS) $(LIBS_all)

sim: $(SIM) ## the simulator: SIM_COUNT seeds (1000), or SEED=n (CORES=2) alone and at length
	$(if $(SEED),$(SIM) --from $(SEED) --count 1 --cores $(or $(CORES),1) --verbose,MT_BUILD=$(B) tools/run-tests -t 3600 tests/sim/sim.sh)

mutants: $(SIM) ## faults planted one at a time, which the simulator must find
	MT_BUILD=$(B) tools/run-tests -t 1800 tests/sim/mutants.py

mutant-flags: # the compiler with its flags, and what the simulator is linked with
	@echo '$(CC) $(CPPFLAGS) $(CFLAGS)'
	@echo '$(B)/liball.a $(LDFLAGS) $(LIBS_all)'
.PHONY: sim mutants mutant-flags
