# SPDX-License-Identifier: MIT
# Targets of the test suite and the checks; included by the top Makefile.

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 20
CLANG_FORMAT ?= clang-format
CLANG_TIDY ?= clang-tidy
CPPCHECK ?= cppcheck

PROBE_NAMES = $(patsubst tests/probes/%.c,%,$(wildcard tests/probes/*.c))
PROBES = $(PROBE_NAMES:%=$(BUILD)/probes/%)
# A compiler for 32 bits can lack the headers for them.
I386 = $(shell echo 'int main(void){return 0;}' | $(CC) -m32 -static -include sys/socket.h -x c -o /dev/null - 2>/dev/null && echo yes)
SPECIAL_PROBES = $(addprefix $(BUILD)/probes/,static-probe linked-probe static-server static-pie-server) \
	$(if $(I386),$(addprefix $(BUILD)/probes/,i386-probe i386-server i386-frozen))
MUSL_PROBES = $(if $(shell command -v musl-gcc),$(addprefix $(BUILD)/probes/musl/,$(PROBE_NAMES) static-probe static-server))
UNITS = $(patsubst tests/units/%.c,$(BUILD)/units/%,$(wildcard tests/units/*.c))
BENCH_PROGRAMS = $(addprefix $(BUILD)/bench/,server calls sleeper open-loop udp-server udp-load)
SANITIZE = -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
SOURCES = $(wildcard shim/*/*.[ch] examples/*.c tests/probes/*.c tests/units/*.c tests/fuzz/*.c tests/bench/*.c)
SCRIPTS = shim/doc/reuseport.bash $(wildcard shim/release/*.sh) $(wildcard tests/*.sh tests/*.bash tests/*.bats tests/field/*.*sh tests/field/*.bats tests/bench/*.sh examples/*.sh examples/*/*.sh) .ci/run
# bats leaves its folder, and knows no other name for the build.
ABSOLUTE = "$$(cd $(BUILD) && pwd)"
BATS = BUILD=$(ABSOLUTE) bats

# Files run side by side, the longest first, and the tests of each in order.
LONGEST = $(wildcard $(addprefix tests/,renewal.bats service.bats bench.bats replace-storm.bats service-balance.bats service-dealing.bats seccomp.bats replace.bats make.bats run.bats check.bats library-file.bats release.bats))
PARALLEL = $(if $(filter-out 1,$(JOBS)),$(if $(shell parallel --version 2>/dev/null | grep GNU),\
	--jobs $(JOBS) --no-parallelize-within-files))
test: all probes
	$(BATS) --timing $(PARALLEL) --filter-tags '!long' $(LONGEST) $(filter-out $(LONGEST),$(wildcard tests/*.bats))

# What takes too long for the suite, or must have the machine for itself. The random rounds take an hour, the service
# under load SOAK_SECONDS; SEED repeats them.
ROUNDS ?= 1200
soak: all probes
	ROUNDS=$(ROUNDS) BATS_TEST_TIMEOUT=7200 $(BATS) --timing --filter-tags long tests tests/field/soak.bats

# Where servers really live: under a systemd of the tests' own, runit, s6, supervisord, podman; on every CPU, and with other
# libcs; and releases. Requires root, and ten minutes; CI has 30 for everything.
# DEBIANS: releases whose programs the library is tried in: of those that run here natively, an old one and one that is
# newer than what it is built on. All are 'bullseye bookworm trixie sid': before a release, in two minutes more. With sid,
# whose packages may be at odds for a day, its compiler builds the library, too.
DEBIANS ?= bullseye trixie
field: all probes static
	$(FIELD_SERVERS) --slice
	$(FIELD_SUITES) --slice
	DEBIANS='$(DEBIANS)' $(BATS) --tap --setup-suite-file tests/setup_suite.bash --timing \
		--filter-tags '!long$(if $(filter sid,$(DEBIANS)),,$(comma)!sid)' tests/field

# Copies of some fifty servers of Debian, each in namespaces of its own: all, or those that SERVERS names. Requires root,
# and two minutes.
FIELD_SERVERS = BUILD=$(ABSOLUTE) JOBS=$(JOBS) python3 -B tests/field/servers.py
field-servers: all
	$(FIELD_SERVERS) $(SERVERS)

# The examples for containers, and what run, list and replace do in them, under podman. Requires root, and three minutes;
# the first time as many for a root of Debian.
field-containers: all probes static
	sh tests/field/bookworm.sh $(BUILD)/bookworm gcc libc6-dev make musl-tools
	BATS_TEST_TIMEOUT=900 $(BATS) --tap --setup-suite-file tests/setup_suite.bash --timing tests/field/containers.bats

# Other people's tests, without the library and with it: all suites, or those that SUITES names. Requires root, and
# ten minutes.
SUITE_NAMES = $(shell sed -n 's/^suite *//p' tests/field/suites.table)
FIELD_SUITES = BUILD=$(ABSOLUTE) JOBS=$(JOBS) python3 -B tests/field/suites.py
field-suites: all
	$(FIELD_SUITES) $(SUITES)

# The recipes of examples/retrofit are what field-servers tries.
recipes:
	python3 -B tests/field/recipes.py examples/retrofit/README.md >examples/retrofit/README.new
	mv examples/retrofit/README.new examples/retrofit/README.md

probes: all $(EXAMPLES) $(PROBES) $(SPECIAL_PROBES) $(MUSL_PROBES) $(UNITS)

deps:
	sh tests/deps.sh

# Of make field, or, if FIELD says so, of make field-$(FIELD).
field-deps:
	sh tests/deps.sh field$(FIELD:%=-%)
	$(if $(FIELD),,sh tests/field/roots.sh $(BUILD) foreign $(sort trixie $(DEBIANS)))
	$(if $(FIELD:suites=),,sh tests/field/suites.sh $(BUILD)/suites $(if $(FIELD),$(SUITE_NAMES),tcl))

# What a compiler is given to make a program of the first prerequisite.
PROGRAM = $(CPPFLAGS) $(CFLAGS) $(COMMON) -o '$@' '$<' $(PROBE_FLAGS)
PROBE_NEEDS = Makefile tests/tests.mk

$(BUILD)/probes/%: tests/probes/%.c $(PROBE_NEEDS)
	$(MKDIR)
	$(CC) $(PROGRAM) -pthread

$(BUILD)/probes/musl/%: tests/probes/%.c $(PROBE_NEEDS)
	$(MKDIR)
	musl-gcc $(PROGRAM) -pthread

# A preload library of the tests, to stand beside ours.
$(BUILD)/probes/neighbour: PROBE_FLAGS = -shared -fPIC -ldl
$(BUILD)/probes/musl/neighbour: PROBE_FLAGS = -shared -fPIC
$(BUILD)/probes/early-threads: PROBE_FLAGS = -shared -fPIC -ldl
$(BUILD)/probes/musl/early-threads: PROBE_FLAGS = -shared -fPIC
$(BUILD)/probes/empty $(BUILD)/probes/musl/empty: PROBE_FLAGS = -shared -fPIC -nostdlib
$(addprefix $(BUILD)/probes/,parse-large core musl/parse-large musl/core): PROBE_FLAGS = $(wildcard shim/core/*.c)
$(addprefix $(BUILD)/probes/,parse-large core musl/parse-large musl/core): $(wildcard shim/core/*.[ch])

# musl-gcc leaves out the kernel's headers.
$(addprefix $(BUILD)/probes/musl/,frozen programmed): PROBE_FLAGS = $(KERNEL_HEADERS)

# The probe and the example server where no preload reaches them, and the probe with the library's code linked in.
$(BUILD)/probes/static-probe $(BUILD)/probes/musl/static-probe $(BUILD)/probes/i386-probe: tests/probes/probe.c $(PROBE_NEEDS)
$(addprefix $(BUILD)/probes/,static-server static-pie-server musl/static-server i386-server): examples/server.c $(PROBE_NEEDS)
$(BUILD)/probes/static-probe $(BUILD)/probes/static-server: PROBE_FLAGS = -static
$(BUILD)/probes/static-pie-server: PROBE_FLAGS = -static-pie -fPIE
$(BUILD)/probes/i386-frozen: tests/probes/frozen.c $(PROBE_NEEDS)
$(addprefix $(BUILD)/probes/,i386-probe i386-server i386-frozen): PROBE_FLAGS = -m32 -static
$(BUILD)/probes/musl/static-probe $(BUILD)/probes/musl/static-server: PROBE_FLAGS = -static
$(addprefix $(BUILD)/probes/,static-probe static-server static-pie-server i386-probe i386-server i386-frozen):
	$(MKDIR)
	$(CC) $(PROGRAM)
$(BUILD)/probes/musl/static-probe $(BUILD)/probes/musl/static-server:
	$(MKDIR)
	musl-gcc $(PROGRAM)

$(BUILD)/probes/linked-probe: tests/probes/probe.c $(LIB_OBJECTS) $(PROBE_NEEDS)
	$(MKDIR)
	$(CC) $(PROGRAM) $(LIB_OBJECTS)

# Programs that call the command's functions themselves, under the sanitizers; without those, one that is out of memory
# and one that measures how much it has.
INNER_SOURCES = $(filter-out %/command/main.c,$(CMD_SOURCES))
$(BUILD)/units/base $(BUILD)/units/sockets: $(BUILD)/units/%: tests/units/%.c $(CMD_OBJECTS) $(PROBE_NEEDS)
	$(MKDIR)
	$(CC) $(PROGRAM) $(INNER_SOURCES:shim/%.c=$(BUILD)/cmd/%.o)

$(BUILD)/units/%: tests/units/%.c $(BUILD)/sanitized/inner.a $(PROBE_NEEDS)
	$(MKDIR)
	$(CC) $(PROGRAM) $(SANITIZE) $(BUILD)/sanitized/inner.a

$(BUILD)/sanitized/inner.a: $(INNER_SOURCES:shim/%.c=$(BUILD)/sanitized/%.o)
	rm -f '$@'
	$(AR) rcs '$@' $^

$(BUILD)/sanitized/%.o: shim/%.c Makefile
	$(MKDIR)
	$(CC) $(CMD_CFLAGS) $(DEFINE_LIBDIR) $(SANITIZE) -c -o '$@' '$<'

# The library's code inside the probes, under the sanitizers; what is preloaded then is empty.
asan: $(patsubst %,$(BUILD)/asan/%,$(filter-out neighbour early-threads empty,$(PROBE_NAMES))) $(BUILD)/asan/empty.so probes
	PROBES=$(ABSOLUTE)/asan LIBRARY=$(ABSOLUTE)/asan/empty.so \
		ASAN_OPTIONS=verify_asan_link_order=0 $(BATS) --filter-tags sanitized tests

$(BUILD)/asan/%: tests/probes/%.c $(wildcard shim/*/*.[ch])
	$(MKDIR)
	$(CC) $(CPPFLAGS) $(COMMON) $(SANITIZE) -o '$@' '$<' $(filter-out %/string.c,$(LIB_SOURCES)) -pthread

$(BUILD)/asan/empty.so:
	$(MKDIR)
	$(CC) -shared -o '$@' -x c /dev/null

# Each parser by itself, from a corpus and on; what is found stays in BUILD. Targets that call static functions include
# their file.
FUZZED = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
fuzz: $(FUZZED:%=fuzz-%)

FUZZ_OPTIONS = -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/
$(FUZZED:%=fuzz-%): fuzz-%: $(BUILD)/fuzz/%
	mkdir -p $(BUILD)/fuzz/found/$*
	'$<' $(FUZZ_OPTIONS) $(patsubst %,-dict=%,$(wildcard tests/fuzz/$*.dict)) $(BUILD)/fuzz/found/$* tests/fuzz/corpus/$* \
		>$(BUILD)/fuzz/$*.log 2>&1 || { tail -n 60 $(BUILD)/fuzz/$*.log; false; }
	@sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) .*/$*: \1 inputs in \2 s/p' $(BUILD)/fuzz/$*.log

$(BUILD)/fuzz/ports: FUZZ_SOURCES = $(addprefix shim/core/,ports.c address.c)
$(BUILD)/fuzz/executable: FUZZ_SOURCES = shim/launch/executable.c
$(BUILD)/fuzz/netlink: FUZZ_SOURCES = $(addprefix shim/,core/address.c core/lines.c core/procnet.c base/die.c base/memory.c)
$(BUILD)/fuzz/diag: FUZZ_SOURCES = shim/core/address.c
$(BUILD)/fuzz/procnet: FUZZ_SOURCES = $(addprefix shim/core/,address.c lines.c procnet.c)
$(BUILD)/fuzz/notify: FUZZ_SOURCES = $(addprefix shim/,base/die.c base/hurry.c base/memory.c inspect/process.c inspect/tree.c)
$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard shim/*/*.[ch]) $(PROBE_NEEDS)
	$(MKDIR)
	clang $(SANITIZE) -fsanitize=fuzzer -D_GNU_SOURCE -Ishim -o '$@' '$<' $(FUZZ_SOURCES)

# One change at a time in a copy of shim/ROOM: do the tests notice? COUNT changes of each room, chosen by SEED.
ROOM ?= core,preload,base,inspect,seccomp,launch,group,look,service,handover,command
COUNT ?= 10
SEED ?= 1
mutants: all probes
	/usr/bin/python3 tests/mutate.py '$(ROOM)' '$(COUNT)' '$(SEED)'

BENCH = BUILD=$(ABSOLUTE) tests/bench/apart.sh /usr/bin/python3 tests/bench/bench.py

FORM = quick
bench: probes $(BENCH_PROGRAMS)
	$(BENCH) $(FORM) $(SECTIONS)

bench-full: FORM = full
bench-full: bench

$(BUILD)/bench/%: tests/bench/%.c $(PROBE_NEEDS)
	$(MKDIR)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) -o '$@' '$<'

# Each tool by its variable: make lint CLANG_TIDY=clang-tidy-19.
lint:
	$(CLANG_FORMAT) --dry-run -Werror $(SOURCES)
	@# One file at a time: given several, clang-tidy 14 takes va_start for missing.
	@printf '%s\n' $(filter %.c,$(SOURCES)) | xargs -P $(JOBS) -I{} \
		$(CLANG_TIDY) --quiet {} -- -std=gnu11 -D_GNU_SOURCE -Ishim -DRP_LIBDIR='""' 2>/dev/null
	$(CPPCHECK) --quiet -j $(JOBS) --enable=warning,style,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=variableScope --suppress=unusedStructMember --suppress=normalCheckLevelMaxBranches --std=c11 -D_GNU_SOURCE -Ishim shim examples $(wildcard tests/probes tests/units tests/fuzz tests/bench)
	tests/rooms.sh
	tests/layout.sh columns $(SOURCES)
	tests/layout.sh lines $(filter shim/%,$(SOURCES))
	tests/layout.sh license Makefile tests/tests.mk shim/release/release.mk $(SOURCES) $(SCRIPTS) $(wildcard tests/*.py tests/*/*.py tests/*.zsh shim/doc/*.[1-8] shim/doc/reuseport.*sh)
	shellcheck -x $(SCRIPTS)
	@# EXAMPLES come early in reuseport(1), on purpose.
	! mandoc -Tlint -Wwarning $(wildcard shim/doc/*.[1-8]) | grep -v 'sections out of conventional order: Sh ENVIRONMENT'

matrix:
	tests/matrix.sh

# Without those that only explain a refused bind.
print-library-sources:
	@echo $(filter-out $(addprefix %/,explain.c outside.c holder.c diag.c owners.c budget.c lines.c procnet.c),$(LIB_SOURCES))

.PHONY: bench bench-full soak test field field-containers field-servers field-suites recipes probes deps field-deps asan fuzz lint matrix print-library-sources $(FUZZED:%=fuzz-%) mutants

-include $(PROBE_NAMES:%=$(BUILD)/probes/%.d) $(UNITS:%=%.d) $(INNER_SOURCES:shim/%.c=$(BUILD)/sanitized/%.d) $(patsubst examples/%.c,$(BUILD)/examples/%.d,$(wildcard examples/*.c))
