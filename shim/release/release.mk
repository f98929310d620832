# SPDX-License-Identifier: MIT
# Targets that make what people install: an archive for each CPU, and a Debian package; included by the top Makefile.

# By Debian's names.
DIST_CPUS ?= amd64 arm64 armhf i386 ppc64el riscv64 s390x
# A folder with the packages musl-dev of other CPUs, unpacked in folders of these names: then their commands are static.
DIST_MUSL ?=
DOCDIR ?= $(PREFIX)/share/doc/reuseport

# The change log's date of this version is the time of every file: the same sources give the same bytes.
RELEASE_DATE = $(or $(shell sed -n 's/^## $(VERSION), \([0-9-]*\)$$/\1/p' shim/doc/CHANGELOG.md), \
	$(error shim/doc/CHANGELOG.md has no date for $(VERSION)))
RELEASE = VERSION=$(VERSION) DIST_MUSL=$(call quote,$(DIST_MUSL)) JOBS=$(JOBS) SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(date -ud $(RELEASE_DATE) +%s)} sh

dist:
	$(RELEASE) shim/release/dist.sh $(BUILD)/dist $(DIST_CPUS)

deb:
	$(RELEASE) shim/release/deb.sh $(BUILD)/dist

# What a release has besides what `make install` installs. The units are examples: they name the command, and a server.
SERVICES = $(patsubst examples/sidecar/%,%,$(wildcard examples/sidecar/*.service examples/sidecar/*.service.d/*.conf))
DOCUMENTS = file 644 LICENSE $(call quote,$(DOCDIR)/LICENSE); \
	file 644 shim/doc/CHANGELOG.md $(call quote,$(DOCDIR)/CHANGELOG.md); \
	$(foreach unit,$(SERVICES),file 644 $(BUILD)/doc/examples/$(unit) $(call quote,$(DOCDIR)/examples/$(unit));)

install-documents: $(SERVICES:%=$(BUILD)/doc/examples/%)
	@$(INSTALL) $(DOCUMENTS)

$(BUILD)/doc/examples/%: examples/sidecar/% $(BUILD)/folders
	$(MKDIR)
	$(RELOCATE) '$<' >'$@'

.PHONY: dist deb install-documents
