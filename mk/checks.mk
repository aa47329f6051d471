# Checks of the source itself, and the whole check.
layers: ## includes stay within what mk/layers grants
	tools/layers

lint: ## formatting, head comments, unfinished words, machine paths
	tools/lint

sizes: ## lengths and complexity of functions and files
	tools/sizes

format: ## apply clang-format to every C file
	clang-format -i $(wildcard $(foreach e,c h,src/*/*.$e tests/*.$e tests/*/*.$e bench/*.$e examples/*.$e include/*/*.$e))

tidy: $(GEN) ## clang-tidy over src
	@printf '%s\n' $(SRC) | xargs -n 1 -P 2 sh -c 'clang-tidy --quiet "$$0" -- -std=c17 $(CPPFLAGS) 2>/dev/null'

DOC_PAGES := configuration limits machine sys-topics
docs: ## write docs/reference from the tables
	@mkdir -p docs/reference
	@for page in $(DOC_PAGES); do tools/docs $$page > docs/reference/$$page.md.tmp && \
		mv docs/reference/$$page.md.tmp docs/reference/$$page.md || exit 1; done

docs-check: ## docs/reference agrees with the tables, THREATS.md with the tests
	@tools/threats THREATS.md
	@for page in $(DOC_PAGES); do tools/docs $$page | cmp -s - docs/reference/$$page.md || \
		{ echo "docs/reference/$$page.md is out of date; run make docs"; exit 1; }; done

spec: ## join the normative statements with the tests: docs/reference/conformance.md
	@tools/spec > docs/reference/conformance.md.tmp; status=$$?; \
		mv docs/reference/conformance.md.tmp docs/reference/conformance.md; exit $$status

spec-tags: ## every normative statement has a test or a reason
	@tools/spec --open

spec-check: spec-tags ## the matrix agrees with the tests
	@tools/spec | cmp -s - docs/reference/conformance.md || \
		{ echo "docs/reference/conformance.md is out of date; run make spec"; exit 1; }

STATIC := layers lint sizes docs-check
TESTS := unit spec-tests model sim interop threats
ifeq ($(V),release)
TESTS := unit spec-tests model sim mutants proof fuzz-smoke interop threats
endif

check: ## everything before a change lands; ends with `N passed, N failed`
	@tools/setup check
	@MAKE='$(MAKE)' tools/check $(V) $(STATIC) spec-check all $(TESTS)

check-fast: ## the part of check that takes under a minute
	@MAKE='$(MAKE)' tools/check $(V) $(STATIC) spec-tags unit spec-tests sim

cov: ## what the tests reach of layers 1 to 4: lines at least 95 %, branches 90 %
	@tools/setup check
	@MAKE='$(MAKE)' tools/cov
.PHONY: cov
.PHONY: spec spec-tags spec-check layers lint sizes format tidy docs docs-check check check-fast

# ---- what takes hours; each part notes itself in tests/tally.md ----
LONG_SEEDS ?= 100000
DECODERS := api call client config filter id_rule jwt network packet probe profile props proxy tls ws

long-sim: $(SIM) ## 100,000 seeds (LONG_SEEDS) with one core, and as many with two
	tools/tally 'simulator, one core' $(SIM) --count $(LONG_SEEDS)
	tools/tally 'simulator, two cores' $(SIM) --count $(LONG_SEEDS) --cores 2

long-fuzz: ## two CPU hours over all fuzz targets, at least a million executions of each decoder
	$(MAKE) --no-print-directory V=fuzz fuzz-targets
	for target in $(FUZZ); do \
		case " $(DECODERS) " in *" $${target##*fuzz_} "*) runs=1000000 ;; *) runs=0 ;; esac; \
		MT_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),480) MT_FUZZ_RUNS=$$runs \
			tools/tally "fuzz $${target##*fuzz_}" tools/fuzz-long $$target || exit 1; \
	done

long-proof: ## the models of spec/models with three connections (1.2 GB)
	tools/tally 'models, three connections' tests/proof/models.sh -DCONNECTIONS=3

long-soak: all ## ten minutes of a busy site
	MT_BUILD=$(B) tools/tally 'soak' bench/soak 600 5000

long-mutants: $(SIM) ## the planted faults of the simulator
	MT_BUILD=$(B) tools/tally 'planted faults' tests/sim/mutants.py

long-policy: all ## two minutes of rights that come and go below traffic
	MT_BUILD=$(B) POLICY_SECONDS=120 tools/tally 'rights that come and go' tests/threats/policy_storm.py

check-long: long-mutants long-policy long-sim long-proof long-soak long-fuzz ## what takes hours, once before a release
.PHONY: check-long long-sim long-fuzz long-proof long-soak long-mutants long-policy
