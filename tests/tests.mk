# Targets of the test suite and the checks; included by the top Makefile.

PROBES = $(patsubst tests/probes/%.c,$(BUILD)/probes/%,$(wildcard tests/probes/*.c))
I386 = $(shell echo 'int main(void){return 0;}' | $(CC) -m32 -static -x c -o /dev/null - 2>/dev/null && echo yes)
SPECIAL_PROBES = $(addprefix $(BUILD)/probes/,static-probe linked-probe static-server static-pie-server) \
	$(if $(I386),$(BUILD)/probes/i386-probe $(BUILD)/probes/i386-server)
MUSL_PROBES = $(if $(shell command -v musl-gcc),$(PROBES:$(BUILD)/probes/%=$(BUILD)/probes/musl/%) \
	$(BUILD)/probes/musl/static-probe $(BUILD)/probes/musl/static-server)
BENCH_PROGRAMS = $(BUILD)/bench/server $(BUILD)/bench/calls $(BUILD)/bench/lazy.so
SANITIZE = -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
SOURCES = $(wildcard shim/*/*.[ch] examples/*.c tests/probes/*.c tests/fuzz/*.c tests/bench/*.c)
SCRIPTS = shim/doc/reuseport.bash $(wildcard tests/*.sh tests/*.bash tests/*.bats examples/*.sh examples/*/*.sh) .ci/run

test: all probes
	BUILD=$(abspath $(BUILD)) bats --filter-tags '!long' tests

# What takes too long to be part of the suite.
soak: all probes
	BUILD=$(abspath $(BUILD)) BATS_TEST_TIMEOUT=3600 bats --timing --filter-tags long tests

probes: all $(EXAMPLES) $(PROBES) $(SPECIAL_PROBES) $(MUSL_PROBES)

deps:
	BUILD=$(abspath $(BUILD)) sh tests/deps.sh

$(BUILD)/probes/%: tests/probes/%.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) -o $@ $< $(PROBE_FLAGS) -pthread

$(BUILD)/probes/musl/%: tests/probes/%.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	musl-gcc $(CPPFLAGS) $(CFLAGS) $(COMMON) -o $@ $< $(PROBE_FLAGS) -pthread

# A preload library of the tests, to stand beside ours.
$(BUILD)/probes/neighbour: PROBE_FLAGS = -shared -fPIC -ldl
$(BUILD)/probes/musl/neighbour: PROBE_FLAGS = -shared -fPIC
$(BUILD)/probes/empty $(BUILD)/probes/musl/empty: PROBE_FLAGS = -shared -fPIC -nostdlib
$(BUILD)/probes/parse-large $(BUILD)/probes/musl/parse-large: PROBE_FLAGS = shim/core/ports.c

# The probe and the example server where no preload reaches them, and the probe with the library's code linked in.
STATIC = -static
STATIC_RECIPE = $(CPPFLAGS) $(CFLAGS) $(COMMON) $(STATIC) -o $@ $<
$(BUILD)/probes/static-probe: tests/probes/probe.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	$(CC) $(STATIC_RECIPE)
$(BUILD)/probes/musl/static-probe: tests/probes/probe.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	musl-gcc $(STATIC_RECIPE)
$(BUILD)/probes/i386-probe: tests/probes/probe.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	$(CC) -m32 $(STATIC_RECIPE)
$(BUILD)/probes/static-server: examples/server.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	$(CC) $(STATIC_RECIPE)
$(BUILD)/probes/static-pie-server: examples/server.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	$(CC) $(STATIC_RECIPE)
$(BUILD)/probes/static-pie-server: STATIC = -static-pie -fPIE
$(BUILD)/probes/musl/static-server: examples/server.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	musl-gcc $(STATIC_RECIPE)
$(BUILD)/probes/i386-server: examples/server.c Makefile tests/tests.mk | $(BUILD)/probes/musl
	$(CC) -m32 $(STATIC_RECIPE)

$(BUILD)/probes/linked-probe: tests/probes/probe.c $(LIB_OBJECTS) | $(BUILD)/probes/musl
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) -o $@ $< $(LIB_OBJECTS)

$(BUILD)/probes/musl $(BUILD)/asan $(BUILD)/fuzz $(BUILD)/bench:
	mkdir -p $@

# The library's code inside the probes, under the sanitizers; what is preloaded then is empty.
ASAN_PROBES = $(patsubst $(BUILD)/probes/%,$(BUILD)/asan/%,$(filter-out %/neighbour %/empty,$(PROBES)))
asan: $(ASAN_PROBES) $(BUILD)/asan/empty.so probes
	BUILD=$(abspath $(BUILD)) PROBES=$(abspath $(BUILD)/asan) LIBRARY=$(abspath $(BUILD)/asan/empty.so) \
		ASAN_OPTIONS=verify_asan_link_order=0 bats --filter-tags sanitized tests

$(BUILD)/asan/%: tests/probes/%.c $(wildcard shim/*/*.[ch]) | $(BUILD)/asan
	$(CC) $(CPPFLAGS) $(COMMON) $(SANITIZE) -o $@ $< $(LIB_SOURCES) -pthread

$(BUILD)/asan/empty.so: | $(BUILD)/asan
	$(CC) -shared -o $@ -x c /dev/null

fuzz: $(BUILD)/fuzz/ports $(BUILD)/fuzz/executable
	$(BUILD)/fuzz/ports -max_total_time=$(FUZZ_SECONDS) -dict=tests/fuzz/ports.dict -print_final_stats=1 \
		-artifact_prefix=$(BUILD)/fuzz/
	mkdir -p $(BUILD)/fuzz/seeds
	head -c 4096 /bin/true >$(BUILD)/fuzz/seeds/executable
	printf '#!/usr/bin/env -S sh -u\n' >$(BUILD)/fuzz/seeds/script
	$(BUILD)/fuzz/executable -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 \
		-artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/seeds

$(BUILD)/fuzz/ports: shim/core/ports.c
$(BUILD)/fuzz/executable: shim/launch/executable.c
$(BUILD)/fuzz/%: tests/fuzz/%.c | $(BUILD)/fuzz
	clang $(SANITIZE) -fsanitize=fuzzer -D_GNU_SOURCE -Ishim -MMD -o $@ $(filter %.c,$^)

# In a network namespace of its own, where any port is free, with room for many connections and none in TIME_WAIT.
BENCH = BUILD=$(abspath $(BUILD)) unshare -n sh -c 'ip link set lo up && \
	sysctl -qw net.ipv4.ip_local_port_range="1024 19999" net.ipv4.tcp_max_tw_buckets=0 && exec /usr/bin/python3 tests/bench/report.py "$$@"' sh

bench: probes $(BENCH_PROGRAMS)
	$(BENCH) quick $(SECTIONS)

bench-full: probes $(BENCH_PROGRAMS)
	$(BENCH) full $(SECTIONS)

# The library as it would be if the loader looked up its imports when they are first called.
$(BUILD)/bench/lazy.so: $(LIB_OBJECTS) | $(BUILD)/bench
	$(CC) $(LIB_LDFLAGS) -Wl,-z,lazy -o $@ $(LIB_OBJECTS)

$(BUILD)/bench/%: tests/bench/%.c Makefile tests/tests.mk | $(BUILD)/bench
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) -o $@ $<

lint:
	clang-format --dry-run -Werror $(SOURCES)
	@# One at a time: given several, clang-tidy 14 takes va_start for missing.
	@status=0; for file in $(filter %.c,$(SOURCES)); do \
		clang-tidy --quiet $$file -- -std=gnu11 -D_GNU_SOURCE -Ishim -DRP_LIBDIR='""' 2>/dev/null || status=1; \
	done; exit $$status
	cppcheck --quiet --enable=warning,style,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=variableScope --suppress=unusedStructMember --std=c11 -D_GNU_SOURCE -Ishim shim examples tests/probes tests/fuzz tests/bench
	tests/rooms.sh
	shellcheck -x $(SCRIPTS)
	mandoc -Tlint -Wwarning shim/doc/reuseport.1 shim/doc/libreuseport.7

print-library-sources:
	@echo $(filter-out %/explain.c %/owners.c,$(LIB_SOURCES))

.PHONY: bench bench-full soak test probes deps asan fuzz lint print-library-sources
