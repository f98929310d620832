# SPDX-License-Identifier: MIT
# libreuseport: unmodified servers share a port. `make help` lists the targets.
# What is set by ?= may come from the environment, as CC, CPPFLAGS, LDFLAGS and DESTDIR may; the flags that the
# product needs are added to them.

CFLAGS ?= -O2
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d
STRIP ?= strip
MUSL_CC ?= musl-gcc

# Where everything is built. From the command line only: `make clean` removes it.
BUILD = build

# make and the shell both read BUILD, in many places: blanks are escaped for both, other special characters refused.
$(if $(strip $(BUILD)),,$(error BUILD must not be empty))
hash := \#
$(foreach char,' " ` \ : % ; & | < > * ? [ ~ ( ) $$ $(hash),\
	$(if $(findstring $(char),$(BUILD)),$(error BUILD=$(BUILD): $(char) cannot be part of its name)))
space := $(subst ,, )
override BUILD := $(subst $(space),\ ,$(BUILD))

# Where the version is written.
VERSION := $(shell sed -n 's/^.define RP_VERSION "\(.*\)"/\1/p' shim/core/version.h)

# quote TEXT: one word of the shell.
quote = '$(subst ','\'',$(1))'

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
COMMON = -std=gnu11 -D_GNU_SOURCE -Ishim -MMD -MP $(WARNINGS)

# One library for every libc: flags are dropped that would add a needed library, a symbol that is versioned or not
# in every libc, or a relocation that older loaders do not know.
FOREIGN = -pg --coverage -fprofile-% -ftest-coverage -finstrument-% -fsanitize-coverage% -fexceptions \
	-static -static-pie -pie -l%
# Compilers for arm64 otherwise call a function of libgcc to compare and swap; those for other CPUs lack the option.
INLINE_ATOMICS := $(shell $(CC) -Werror -mno-outline-atomics -c -x c -o /dev/null /dev/null 2>/dev/null && echo -mno-outline-atomics)
# The library is to be small, and fast enough at -Os: what it costs is system calls.
LIB_CFLAGS = $(CPPFLAGS) $(filter-out $(FOREIGN),$(CFLAGS:-O2=-Os)) $(COMMON) $(INLINE_ATOMICS) -fPIC -fvisibility=hidden -fno-stack-protector -fno-lto \
	-fno-sanitize=all -fno-exceptions -fno-unwind-tables -fno-asynchronous-unwind-tables -U_FORTIFY_SOURCE -U_TIME_BITS -U_FILE_OFFSET_BITS
LIB_LDFLAGS = $(filter-out $(FOREIGN),$(CFLAGS) $(LDFLAGS)) -shared -nostdlib -fno-lto -fno-sanitize=all \
	-Wl,--version-script=shim/preload/libreuseport.map -Wl,-soname,libreuseport.so -Wl,-z,now \
	-Wl,-z,noexecstack -Wl,-z,noseparate-code -Wl,--unresolved-symbols=ignore-all \
	$(if $(findstring pack-relative-relocs,$(CFLAGS) $(LDFLAGS)),-Wl$(comma)-z$(comma)nopack-relative-relocs)
comma = ,
# What a CPU has no instruction for, such as a division on ARM, is compiled into a call of the compiler's own library,
# which no libc has: linked in.
LIB_HELPERS = $(wildcard $(shell $(CC) $(CFLAGS) -print-libgcc-file-name 2>/dev/null))

# A file's folder says where it is linked: core into both, preload into the library alone, the rest into the command.
LIB_SOURCES = $(wildcard shim/core/*.c shim/preload/*.c)
CMD_SOURCES = $(filter-out shim/preload/%,$(wildcard shim/*/*.c))
LIB_OBJECTS = $(LIB_SOURCES:shim/%.c=$(BUILD)/lib/%.o)
CMD_OBJECTS = $(CMD_SOURCES:shim/%.c=$(BUILD)/cmd/%.o)
CMD_CFLAGS = $(CPPFLAGS) $(CFLAGS) $(COMMON) $(if $(findstring musl,$(CC)),$(KERNEL_HEADERS))
# gcc 12 warns that a plain -flto links on one CPU.
CMD_LDFLAGS = $(patsubst -flto,-flto=auto,$(CFLAGS) $(LDFLAGS))
DEFINE_LIBDIR = -DRP_LIBDIR=$(call quote,"$(LIBDIR)")
EXAMPLES = $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
PAGES = $(notdir $(wildcard shim/doc/*.[1-8]))

# Makes the folder of a target, whose path may have blanks.
MKDIR = @to='$@'; mkdir -p "$${to%/*}"

all: $(BUILD)/libreuseport.so $(BUILD)/reuseport $(PAGES:%=$(BUILD)/doc/%)

$(BUILD)/libreuseport.so: $(LIB_OBJECTS) shim/preload/libreuseport.map Makefile
	$(CC) $(LIB_LDFLAGS) -o '$@' $(LIB_OBJECTS) $(LIB_HELPERS)

$(BUILD)/lib/%.o: shim/%.c Makefile
	$(MKDIR)
	$(CC) $(LIB_CFLAGS) -c -o '$@' '$<'

$(BUILD)/reuseport: $(CMD_OBJECTS)
	$(CC) $(CMD_LDFLAGS) -o '$@' $(CMD_OBJECTS)

$(BUILD)/cmd/%.o: shim/%.c Makefile
	$(MKDIR)
	$(CC) $(CMD_CFLAGS) -c -o '$@' '$<'

# Its time changes when LIBDIR or BINDIR does: `make install LIBDIR=...` makes anew what names the folder.
FOLDERS = $(call quote,$(LIBDIR) $(BINDIR))
$(BUILD)/folders: FORCE
	$(MKDIR)
	@[ "$$(cat '$@' 2>/dev/null)" = $(FOLDERS) ] || echo $(FOLDERS) >'$@'

$(BUILD)/cmd/launch/find_library.o: CMD_CFLAGS += $(DEFINE_LIBDIR)
$(BUILD)/cmd/launch/find_library.o: $(BUILD)/folders

sed_text = $(subst |,\|,$(subst &,\&,$(subst \,\\,$(1))))
RELOCATE = sed -e $(call quote,s|/usr/local/lib/libreuseport|$(call sed_text,$(LIBDIR))/libreuseport|g) \
	-e $(call quote,s|/usr/local/bin/reuseport|$(call sed_text,$(BINDIR))/reuseport|g)
$(BUILD)/doc/%: shim/doc/% shim/core/version.h $(BUILD)/folders
	$(MKDIR)
	$(RELOCATE) -e 's/^\.Os$$/.Os libreuseport $(VERSION)/' '$<' >'$@'

# musl-gcc leaves out the kernel's headers, which know no libc.
KERNEL_HEADERS = -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)

# For containers: needs no libc of theirs.
static: $(BUILD)/static/reuseport

$(BUILD)/static/reuseport: $(wildcard shim/*/*.[ch]) Makefile $(BUILD)/folders
	$(if $(shell command -v $(MUSL_CC)),,$(error make static needs $(MUSL_CC), of the package musl-tools))
	$(MKDIR)
	$(MUSL_CC) $(CMD_CFLAGS) $(DEFINE_LIBDIR) -MF '$@.d' $(LDFLAGS) -static -o '$@' $(CMD_SOURCES) $(KERNEL_HEADERS)

$(BUILD)/examples/%: examples/%.c Makefile
	$(MKDIR)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(LDFLAGS) -o '$@' '$<'

demo:
	@$(MAKE) -s all $(EXAMPLES)
	@BUILD=$(BUILD) sh examples/demo.sh

include tests/tests.mk
include shim/release/release.mk

# What is installed, as calls of the shell's "file MODE FROM TO".
FILES = file 755 $(FROM)/libreuseport.so $(call quote,$(LIBDIR)/libreuseport.so); \
	file 755 $(FROM)/reuseport $(call quote,$(BINDIR)/reuseport); \
	$(foreach page,$(PAGES),file 644 $(BUILD)/doc/$(page) $(call quote,$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(page));) \
	file 644 shim/doc/reuseport.bash $(call quote,$(BASHCOMPDIR)/reuseport); \
	file 644 shim/doc/reuseport.zsh $(call quote,$(ZSHCOMPDIR)/_reuseport); \
	file 644 shim/doc/reuseport.fish $(call quote,$(FISHCOMPDIR)/reuseport.fish)

INSTALL = set -e; file() { install -D -m "$$1" -- "$$2" $(call quote,$(DESTDIR))"$$3"; echo $(call quote,$(DESTDIR))"$$3"; };
install: FROM = $(BUILD)
install-strip: FROM = $(BUILD)/stripped
install-strip: $(BUILD)/stripped/libreuseport.so $(BUILD)/stripped/reuseport
install install-strip: all
	@$(INSTALL) $(FILES)

$(BUILD)/stripped/%: $(BUILD)/%
	$(MKDIR)
	$(STRIP) --strip-unneeded -o '$@' '$<'

uninstall:
	@set -e; file() { rm -f -- $(call quote,$(DESTDIR))"$$3"; }; $(FILES)

clean:
	rm -rf $(BUILD)

help:
	@echo 'make                build $(BUILD)/libreuseport.so and $(BUILD)/reuseport'
	@echo 'make install        install below PREFIX ($(PREFIX)), staged in DESTDIR'
	@echo 'make install-strip  the same, stripped by STRIP ($(STRIP))'
	@echo 'make uninstall      remove what make install has installed'
	@echo 'make static         build $(BUILD)/static/reuseport with MUSL_CC ($(MUSL_CC))'
	@echo 'make demo           see it work, in ten seconds'
	@echo 'make dist           make an archive for each of DIST_CPUS, in $(BUILD)/dist'
	@echo 'make deb            make a Debian package for this machine, in $(BUILD)/dist'
	@echo 'make clean          remove $(BUILD)'
	@echo 'make help           this list'
	@echo
	@echo 'make deps test      install what the tests need, and run them'
	@echo 'make field-deps     install what make field needs'
	@echo 'make field          test under systemd, runit and the like, on every CPU'
	@echo '                    architecture, and in other releases of Debian (root, 10'
	@echo '                    minutes): DEBIANS ($(DEBIANS))'
	@echo 'make field-servers  test about fifty servers from Debian (root, 2 minutes), or'
	@echo '                    those in SERVERS; first, make field-deps FIELD=servers,'
	@echo '                    which installs large packages, too'
	@echo 'make field-containers  test the examples for containers under podman (root,'
	@echo '                    5 minutes)'
	@echo 'make field-suites   run tests of other projects, such as CPython and redis, with'
	@echo '                    and without the library (root, 10 minutes), all or those in'
	@echo '                    SUITES; first, make field-deps FIELD=suites'
	@echo 'make recipes        regenerate the recipes in examples/retrofit/README.md'
	@echo 'make soak           run the tests that take too long for the suite, with random'
	@echo '                    rounds for an hour: ROUNDS ($(ROUNDS)), SEED'
	@echo 'make lint           check layout, includes and common mistakes'
	@echo 'make matrix         build with every installed compiler, without a warning'
	@echo 'make asan           run tests of parser and hooks under sanitizers'
	@echo 'make fuzz           fuzz each parser for FUZZ_SECONDS ($(FUZZ_SECONDS))'
	@echo 'make mutants        does a test notice a negated condition or a dropped call?'
	@echo '                    COUNT ($(COUNT)) changes of each ROOM by SEED, as root'
	@echo 'make bench          measure costs and gains in three minutes (as root)'
	@echo '                    SECTIONS selects, FORCE=1 allows a busy machine'
	@echo 'make bench-full     the same in twenty-five minutes, for the README'
	@echo
	@echo 'Variables, also from the environment: CC CFLAGS CPPFLAGS LDFLAGS DESTDIR PREFIX'
	@echo 'BINDIR LIBDIR MANDIR BASHCOMPDIR ZSHCOMPDIR FISHCOMPDIR STRIP MUSL_CC DIST_CPUS'
	@echo 'DIST_MUSL. Give make install the same as make; PREFIX, the directories and'
	@echo 'DESTDIR may differ. On the command line only: BUILD ($(BUILD)).'

.PHONY: all static demo install install-strip uninstall clean help FORCE
.DELETE_ON_ERROR:

-include $(LIB_OBJECTS:.o=.d) $(CMD_OBJECTS:.o=.d)
