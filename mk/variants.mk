# Compilers and flags of each variant.
CC_release := gcc
CC_debug := gcc
CC_asan := clang
CC_tsan := clang
CC_fuzz := clang
CC_cov := gcc
CC := $(CC_$(V))
ifeq ($(CC),)
$(error V=$(V) is no variant: release debug asan tsan fuzz cov)
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wcast-qual -Wformat=2 -Wundef -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
ifneq ($(CC),gcc)
WARN += -Wno-gnu-zero-variadic-macro-arguments -Wno-unknown-warning-option
HARDEN += -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang -Wno-unused-command-line-argument
endif

OPT_release := -O2 -D_FORTIFY_SOURCE=3
OPT_debug := -O0 -DMT_SLOW_CHECKS=1
OPT_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DMT_SLOW_CHECKS=1
OPT_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
OPT_fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -DMT_SLOW_CHECKS=1
OPT_cov := -O0 --coverage

CPPFLAGS := -D_GNU_SOURCE -Isrc -Iinclude -Ibuild/gen
CFLAGS := -std=c17 -g $(OPT_$(V)) $(WARN) $(HARDEN) -fPIC -fvisibility=hidden -pthread
LDFLAGS := -pie -Wl,-z,relro,-z,now,--as-needed -pthread $(filter -fsanitize=% --coverage,$(OPT_$(V):fuzzer-no-link=))
ifeq ($(V),fuzz)
LDFLAGS := -pie -Wl,-z,relro,-z,now -pthread -fsanitize=address,undefined
endif

LIBS_client := -lssl -lcrypto
LIBS_all := $(LIBS_client) -lsodium -lsqlite3 -lyaml -lmicrohttpd -ljansson -ljwt -lcurl -lm

# One short line a step; VERBOSE=1 shows the commands.
Q := $(if $(VERBOSE),,@)
say = @$(if $(VERBOSE),:,echo "  $(1)	$@")
