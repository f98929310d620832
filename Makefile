# libreuseport: unmodified servers share a port. `make help` lists the targets.
# CC, CFLAGS, CPPFLAGS, LDFLAGS, PREFIX and DESTDIR are yours; what the product needs is added to them.

CC ?= cc
CFLAGS = -O2
LDFLAGS = -s
PREFIX = /usr/local
MUSL_CC = musl-gcc
LIBDIR = $(PREFIX)/lib
MANDIR = $(PREFIX)/share/man
FUZZ_SECONDS = 20

BUILD = build
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
COMMON = -std=gnu11 -D_GNU_SOURCE -Ishim -MMD -MP $(WARNINGS)

# One file for every libc: whatever would add a needed library, a versioned or missing symbol, or a
# relocation that older loaders do not know is switched off, also where CFLAGS or LDFLAGS ask for it.
FOREIGN = -pg --coverage -fprofile-% -ftest-coverage -finstrument-% -fsanitize-coverage% -fexceptions \
	-static -static-pie -pie -l%
LIB_CFLAGS = $(CPPFLAGS) $(filter-out $(FOREIGN),$(CFLAGS)) $(COMMON) -fPIC -fvisibility=hidden -fno-stack-protector -fno-lto \
	-fno-sanitize=all -fno-exceptions -fno-unwind-tables -fno-asynchronous-unwind-tables -U_FORTIFY_SOURCE -U_TIME_BITS -U_FILE_OFFSET_BITS
LIB_LDFLAGS = $(filter-out $(FOREIGN),$(CFLAGS) $(LDFLAGS)) -shared -nostdlib -fno-lto -fno-sanitize=all \
	-Wl,--version-script=shim/preload/libreuseport.map -Wl,-soname,libreuseport.so -Wl,-z,now \
	-Wl,-z,noexecstack -Wl,-z,noseparate-code -Wl,--unresolved-symbols=ignore-all \
	$(if $(findstring pack-relative-relocs,$(CFLAGS) $(LDFLAGS)),-Wl$(comma)-z$(comma)nopack-relative-relocs)
comma = ,

# A file's folder says where it is linked: core into both, preload into the library alone, the rest into the command.
LIB_SOURCES = $(wildcard shim/core/*.c shim/preload/*.c)
CMD_SOURCES = $(filter-out shim/preload/%,$(wildcard shim/*/*.c))
LIB_OBJECTS = $(LIB_SOURCES:shim/%.c=$(BUILD)/lib/%.o)
CMD_OBJECTS = $(CMD_SOURCES:shim/%.c=$(BUILD)/cmd/%.o)
CMD_CFLAGS = $(CPPFLAGS) $(CFLAGS) $(COMMON) $(if $(findstring musl,$(CC)),$(KERNEL_HEADERS)) -DRP_LIBDIR='"$(LIBDIR)"'
EXAMPLES = $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))

all: $(BUILD)/libreuseport.so $(BUILD)/reuseport

$(BUILD)/libreuseport.so: $(LIB_OBJECTS) shim/preload/libreuseport.map Makefile
	$(CC) $(LIB_LDFLAGS) -o $@ $(LIB_OBJECTS)

$(BUILD)/lib/%.o: shim/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(LIB_CFLAGS) -c -o $@ $<

$(BUILD)/reuseport: $(CMD_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(CMD_OBJECTS) -ldl

$(BUILD)/cmd/%.o: shim/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CMD_CFLAGS) -c -o $@ $<

# musl-gcc leaves out the kernel's headers, which know no libc.
KERNEL_HEADERS = -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)

# For containers: a command that needs no libc of theirs. It cannot try the library out with the loader.
static: $(BUILD)/static/reuseport

$(BUILD)/static/reuseport: $(wildcard shim/*/*.[ch]) Makefile | $(BUILD)/static
	$(if $(shell command -v $(MUSL_CC)),,$(error make static needs $(MUSL_CC), of the package musl-tools))
	$(MUSL_CC) $(CMD_CFLAGS) -MF $@.d $(LDFLAGS) -static -DRP_STATIC -o $@ \
		$(CMD_SOURCES) $(KERNEL_HEADERS)

$(BUILD)/examples/%: examples/%.c Makefile | $(BUILD)/examples
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(LDFLAGS) -o $@ $<

$(BUILD)/static $(BUILD)/examples:
	mkdir -p $@

demo:
	@$(MAKE) -s all $(EXAMPLES)
	@BUILD=$(BUILD) sh examples/demo.sh

include tests/tests.mk

# From where to where, under which mode.
INSTALLED = \
	$(BUILD)/libreuseport.so:$(LIBDIR)/libreuseport.so:755 \
	$(BUILD)/reuseport:$(PREFIX)/bin/reuseport:755 \
	shim/doc/reuseport.1:$(MANDIR)/man1/reuseport.1:644 \
	shim/doc/libreuseport.7:$(MANDIR)/man7/libreuseport.7:644 \
	shim/doc/reuseport.bash:$(PREFIX)/share/bash-completion/completions/reuseport:644

install: all
	@for file in $(INSTALLED); do \
		from=$${file%%:*}; to=$${file#*:}; mode=$${to#*:}; to=$(DESTDIR)$${to%:*}; \
		install -D -m "$$mode" "$$from" "$$to" && echo "$$to" || exit 1; \
	done

uninstall:
	@for file in $(INSTALLED); do to=$${file#*:}; rm -f "$(DESTDIR)$${to%:*}"; done

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            build $(BUILD)/libreuseport.so and $(BUILD)/reuseport'
	@echo 'make static     build $(BUILD)/static/reuseport with $(MUSL_CC), for containers'
	@echo 'make demo       see it work, in ten seconds'
	@echo 'make deps test  install what the tests need, and run them'
	@echo 'make soak       the tests that take too long for the suite: every server, in every form'
	@echo 'make lint       check the layout and the usual mistakes'
	@echo 'make asan       run the tests of the parser and the hooks under the address sanitizer'
	@echo 'make fuzz       fuzz the parsers of lists and of programs for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make bench      what it costs and gains, in two minutes (as root): $(BUILD)/bench/report.md'
	@echo 'make bench-full the same in fifteen minutes, for the README'
	@echo 'make install    install below PREFIX=$(PREFIX), staged in DESTDIR; make uninstall'
	@echo 'make clean      remove $(BUILD)'
	@echo 'make help       this list'

.PHONY: all static demo install uninstall clean help
.DELETE_ON_ERROR:

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
