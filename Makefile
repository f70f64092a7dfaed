# adit. What you will want:
#
#	make                    the static binary, build/adit
#	make run [APP=3000]     relay, agent and a demo app on this machine
#	make test               everything that is tested
#	make install            DESTDIR and PREFIX as usual; make uninstall
#	make sim SEEDS=1000     relay and agents in a virtual world of faults
#	make fuzz T=60          each fuzz target for T seconds
#	make test-workstation   the channel with the real workstation from npm
#	make bench              measure against nginx and a direct connection
#	make wire               what a cut of the tunnel costs
#	make debug              build/asan/adit: glibc, sanitizers, symbols
#	make tidy               the house rules that a script can check
#	make cross              binaries for arm64 and armhf, in build/cross/
#	make repro              builds twice and compares
#	make clean
#
# Parts of the test: make unit | sim-short | kqueue | fuzz-short | check-binary | e2e.
# One unit test: make build/asan/test_ws && build/asan/test_ws
#
# BUILD=dir builds elsewhere. ROOMS="base codec" compiles only those rooms,
# for work on one room while another does not compile. CROSS=aarch64-linux-gnu
# cross-compiles (with Debian's gcc, musl-dev and libbearssl-dev for it).

BUILD   ?= build
ROOMS   ?= base codec crypto net tunnel state relay agent app
PREFIX  ?= /usr/local
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
T       ?= 60
VERSION := $(shell cat VERSION)
# After this many seconds a test counts as hanging.
UNIT_TIMEOUT ?= 300
E2E_TIMEOUT  ?= 900

# V=1 shows the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)")

.DEFAULT_GOAL := $(BUILD)/adit
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:

# ---- sources -------------------------------------------------------------

BACKEND ?= epoll
other    = $(filter-out $(BACKEND),epoll kqueue)
SRC     := $(filter-out src/net/$(other).c,\
	$(sort $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c))))
ifeq ($(BACKEND),kqueue)
SRC     += $(if $(filter Linux,$(shell uname)),tests/kqueue/kqueue.c)
endif
WEB     := $(sort $(wildcard web/*))
GEN     := $(if $(filter app relay,$(ROOMS)),$(BUILD)/gen/web.c)

# ---- flags ---------------------------------------------------------------

WARN = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wpointer-arith -Wwrite-strings -Wvla
BASE_FLAGS = -std=gnu11 -D_GNU_SOURCE -Isrc -I$(BUILD)/gen \
	-isystem /usr/include/bearssl -MMD -MP $(WARN)
BASE_FLAGS += $(if $(filter kqueue,$(BACKEND)),-isystem tests/kqueue)
$(BUILD)/%/src/app/version.o $(BUILD)/%/src/app/main.o: VERSION
VERSION_FLAG = -DADIT_VERSION='"$(VERSION)"'

# The binary: musl, static, position independent. `musl-gcc -static-pie` makes
# a dynamic one with Debian's specs, so the start files are named here.
TRIPLE  := $(or $(CROSS),$(shell gcc -dumpmachine 2>/dev/null))
MUSL    := $(subst -gnu,-musl,$(TRIPLE))
MUSLDIR := /usr/lib/$(MUSL)
CC_MUSL  = $(TRIPLE)-gcc -specs $(MUSLDIR)/musl-gcc.specs
BEARSSL := /usr/lib/$(TRIPLE)/libbearssl.a
# The binary has a limit, and the bench sees no difference but for these.
HOT      = codec/ws
optimise = $(or $(CFLAGS),$(if $(filter $(HOT:%=src/%.c),$<),-O2,-Oz))
MUSL_FLAGS = $(BASE_FLAGS) $(optimise) -g -flto -fPIE -fstack-protector-strong \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
	-fno-unwind-tables \
	-ffile-prefix-map=$(CURDIR)=. -isystem tools/musl -isystem $(BUILD)/musl
MUSL_LINK = -static -nostartfiles -Wl,-pie,--no-dynamic-linker \
	-Wl,-z,text,-z,relro,-z,now,-z,noexecstack,-z,noseparate-code \
	-Wl,--gc-sections -flto-partition=one -Wno-maybe-uninitialized \
	-Wl,--build-id=none

SAN      = -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN     = gcc $(BASE_FLAGS) -Werror -O1 -g -fno-omit-frame-pointer $(SAN)
CLANG    = clang $(BASE_FLAGS) -Werror -O1 -g -fno-omit-frame-pointer $(SAN) \
	-fsanitize=fuzzer-no-link

# ---- the binary ----------------------------------------------------------

MUSL_OBJ = $(patsubst %.c,$(BUILD)/musl/%.o,$(SRC)) \
	$(GEN:$(BUILD)/gen/%.c=$(BUILD)/musl/gen/%.o)

$(BUILD)/adit: $(BUILD)/adit.debug
	@$(TRIPLE)-strip -o $@ $<
	@echo "$@: $$(stat -c %s $@) bytes"

# BearSSL without the tables for unwinding it, which nobody does: 10 KB.
$(BUILD)/musl/libbearssl.a: $(BEARSSL) | $(BUILD)/musl/linux
	@$(TRIPLE)-objcopy -R .eh_frame -R .rela.eh_frame -R .rel.eh_frame \
	    $< $@

# It starts by itself (src/app/musl.c), before musl: 20 KB.
$(BUILD)/musl/src/app/musl.o: MUSL_FLAGS += -fno-lto -fno-stack-protector \
	-fno-builtin
ifneq ($(filter x86_64-%,$(TRIPLE)),)
MUSL_LINK += -Wl,-z,pack-relative-relocs,-e,adit_start
endif

$(BUILD)/adit.debug: $(MUSL_OBJ) $(BUILD)/musl/libbearssl.a
	$(call say,link $@)
	$(Q)$(CC_MUSL) $(MUSL_FLAGS) $(MUSL_LINK) -o $@ \
	    $(MUSLDIR)/rcrt1.o $(MUSLDIR)/crti.o $^ $(MUSLDIR)/crtn.o

# The same, with somebody inside who tries what the sandbox forbids.
PROBE_OBJ = $(BUILD)/probe/src/app/sandbox.o $(BUILD)/probe/tests/probe/probe.o
$(BUILD)/adit-probe: $(PROBE_OBJ) \
    $(filter-out $(BUILD)/musl/src/app/sandbox.o,$(MUSL_OBJ)) \
    $(BUILD)/musl/libbearssl.a
	$(call say,link $@)
	$(Q)$(CC_MUSL) $(MUSL_FLAGS) $(MUSL_LINK) -o $@ \
	    $(MUSLDIR)/rcrt1.o $(MUSLDIR)/crti.o $^ $(MUSLDIR)/crtn.o

$(BUILD)/probe/%.o: %.c Makefile | $(BUILD)/musl/linux
	@mkdir -p $(@D)
	$(call say,probe $<)
	$(Q)$(CC_MUSL) $(MUSL_FLAGS) -DADIT_PROBE -c -o $@ $<

# musl-dev has no kernel headers: links to the system's, looked at last.
$(BUILD)/musl/linux:
	@[ -e $(MUSLDIR)/rcrt1.o ] && [ -e $(BEARSSL) ] || { \
	    echo "The build needs packages that are not installed. As root:"; \
	    echo "    apt-get update && apt-get install -y --no-install-recommends $(BUILD_DEPS)"; \
	    exit 2; } >&2
	@mkdir -p $(BUILD)/musl
	@ln -sfn $(or $(wildcard /usr/$(TRIPLE)/include/asm),\
	    /usr/include/$(TRIPLE)/asm) $(BUILD)/musl/asm
	@ln -sfn /usr/include/asm-generic $(BUILD)/musl/asm-generic
	@ln -sfn /usr/include/linux $@
BUILD_DEPS = make gcc libc6-dev musl-tools libbearssl-dev

$(BUILD)/musl/%.o: %.c Makefile | $(BUILD)/musl/linux
	@mkdir -p $(@D)
	$(call say,musl $<)
	$(Q)$(CC_MUSL) $(MUSL_FLAGS) $(if $(filter src/app/%,$<),$(VERSION_FLAG)) \
	    -c -o $@ $<

$(BUILD)/musl/gen/%.o: $(BUILD)/gen/%.c Makefile | $(BUILD)/musl/linux
	@mkdir -p $(@D)
	$(call say,musl $<)
	$(Q)$(CC_MUSL) $(MUSL_FLAGS) -c -o $@ $<

# ---- generated sources ---------------------------------------------------

$(BUILD)/embed: tools/embed.c
	@mkdir -p $(@D)
	$(Q)gcc -std=gnu11 -D_GNU_SOURCE -O1 $(WARN) -o $@ $<

# The list is a prerequisite too, so that removing a file is noticed.
$(BUILD)/gen/web.list: FORCE
	@mkdir -p $(@D)
	@echo '$(WEB)' | cmp -s - $@ || echo '$(WEB)' >$@

# They refer to each other by their common version; the binary has them packed,
# and without indentation and lines of comment.
$(BUILD)/gen/web.c: $(BUILD)/embed $(WEB) $(BUILD)/gen/web.list
	@mkdir -p $(BUILD)/gen/web
	$(Q)set -e; v=$$(cat $(WEB) | sha256sum | cut -c 1-12); \
	for f in $(WEB); do sed -e 's/^[[:blank:]]*//' -e '/^\/\/ /d' -e '/^$$/d' \
	    -e "s/?v=HASH/?v=$$v/g" $$f | gzip -9n >$(BUILD)/gen/web/$${f##*/}; done; \
	$(BUILD)/embed $$v $(WEB:web/%=$(BUILD)/gen/web/%) >$@.tmp
	@mv $@.tmp $@

VECTORS := $(if $(wildcard tests/unit/gen_http_vectors.py),\
	$(BUILD)/gen/http_vectors.h)
$(BUILD)/gen/http_vectors.h: tests/unit/gen_http_vectors.py \
    $(wildcard tests/vectors/http/requests.json)
	@mkdir -p $(@D)
	$(Q)python3 tests/unit/gen_http_vectors.py \
	    tests/vectors/http/requests.json >$@.tmp
	@mv $@.tmp $@

FORCE:

# ---- unit tests: gcc, glibc, address and undefined behaviour sanitizer ---

ASAN_SRC = $(filter-out src/app/main.c,$(SRC))
ASAN_OBJ = $(patsubst %.c,$(BUILD)/asan/%.o,$(ASAN_SRC)) \
	$(GEN:$(BUILD)/gen/%.c=$(BUILD)/asan/gen/%.o)
UNIT     = $(patsubst tests/unit/%.c,$(BUILD)/asan/%,\
	$(sort $(wildcard tests/unit/test_*.c)))

$(BUILD)/asan/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,asan $<)
	$(Q)$(ASAN) $(if $(filter src/app/%,$<),$(VERSION_FLAG)) -c -o $@ $<

$(BUILD)/asan/gen/%.o: $(BUILD)/gen/%.c Makefile
	@mkdir -p $(@D)
	$(call say,asan $<)
	$(Q)$(ASAN) -c -o $@ $<

$(BUILD)/asan/tests/unit/%.o: tests/unit/%.c Makefile | $(VECTORS)
	@mkdir -p $(@D)
	$(call say,asan $<)
	$(Q)$(ASAN) -Itests/unit -c -o $@ $<

# An archive, so that a test links with what it uses and no more.
$(BUILD)/asan/libadit.a: $(ASAN_OBJ)
	@rm -f $@
	@ar rcs $@ $(ASAN_OBJ)

$(BUILD)/asan/test_%: $(BUILD)/asan/tests/unit/test_%.o $(BUILD)/asan/libadit.a
	$(call say,link $@)
	$(Q)$(ASAN) $(LINK_test_$*) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
	    -lcmocka $(BEARSSL)

# Tests that run in the virtual world.
$(BUILD)/asan/test_agent: $(BUILD)/asan/tests/sim/world.o
$(filter $(BUILD)/asan/test_relay% $(BUILD)/asan/test_channel,$(UNIT)): \
    $(BUILD)/asan/tests/sim/world.o \
    $(BUILD)/asan/tests/sim/rig.o

# Calls that these tests make fail or stop at.
LINK_test_data = $(foreach f,openat write fsync close linkat renameat unlinkat,\
	-Wl,--wrap=$(f))

$(BUILD)/asan/adit: $(BUILD)/asan/src/app/main.o $(BUILD)/asan/libadit.a
	$(call say,link $@)
	$(Q)$(ASAN) -o $@ $^ $(BEARSSL)

# The same test of net on the kqueue backend, over a stand-in made of epoll.
KQ_OBJ = $(BUILD)/asan/src/net/kqueue.o $(BUILD)/asan/tests/kqueue/kqueue.o
$(KQ_OBJ): BASE_FLAGS += -isystem tests/kqueue
$(BUILD)/asan/kqueue_test_%: $(BUILD)/asan/tests/unit/test_%.o $(KQ_OBJ) \
    $(BUILD)/asan/libadit.a
	$(call say,link $@)
	$(Q)$(ASAN) -o $@ $^ -lcmocka $(BEARSSL)
KQ_UNIT = $(BUILD)/asan/kqueue_test_net $(BUILD)/asan/kqueue_test_resolve

# All of them, even when one fails; a test's output is shown if it does.
run_all = @bad=; n=0; for t in $(1); do n=$$((n+1)); \
	if timeout $(UNIT_TIMEOUT) $$t >$$t.log 2>&1; \
	then echo "$$(tail -n 1 $$t.log) $$t"; \
	else bad="$$bad $$t"; cat $$t.log; fi; done; \
	echo "$@: $$n programs, failed:$${bad:- none}"; [ -z "$$bad" ]

unit: $(UNIT)
	$(call run_all,$(UNIT))

kqueue: $(KQ_UNIT)
	$(call run_all,$(KQ_UNIT))

# ---- the simulator: optimised, so that many seeds fit into a minute --------

SIM_SEEDS ?= 1200
SIM_ASAN_SEEDS ?= 100
SEEDS     ?= 1000
SIM_FLAGS  = gcc $(BASE_FLAGS) -Werror -O2 -g
SIM_OBJ    = $(patsubst %.c,$(BUILD)/sim/%.o,$(ASAN_SRC)) \
	$(GEN:$(BUILD)/gen/%.c=$(BUILD)/sim/gen/%.o)
SIM_OWN    = $(patsubst %.c,$(BUILD)/sim/%.o,$(sort $(wildcard tests/sim/*.c)))

$(BUILD)/sim/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,sim $<)
	$(Q)$(SIM_FLAGS) $(if $(filter src/app/%,$<),$(VERSION_FLAG)) -c -o $@ $<

$(BUILD)/sim/gen/%.o: $(BUILD)/gen/%.c Makefile
	@mkdir -p $(@D)
	$(call say,sim $<)
	$(Q)$(SIM_FLAGS) -c -o $@ $<

# net/data.c once more, on the virtual disk.
SIM_OWN   += $(BUILD)/sim/disk_data.o
$(BUILD)/sim/disk_data.o: src/net/data.c tests/sim/disk_posix.h Makefile
	@mkdir -p $(@D)
	$(call say,sim $< on the virtual disk)
	$(Q)$(SIM_FLAGS) -include tests/sim/disk_posix.h -c -o $@ $<

$(BUILD)/sim/libadit.a: $(SIM_OBJ)
	@rm -f $@
	@ar rcs $@ $(SIM_OBJ)

$(BUILD)/sim/sim: $(SIM_OWN) $(BUILD)/sim/libadit.a
	$(call say,link $@)
	$(Q)$(SIM_FLAGS) -o $@ $^ $(BEARSSL)

# The same with the sanitizers, for some of the seeds.
SIM_ASAN_OWN = $(patsubst %.c,$(BUILD)/asan/%.o,$(sort \
    $(wildcard tests/sim/*.c))) $(BUILD)/asan/disk_data.o
$(BUILD)/asan/disk_data.o: src/net/data.c tests/sim/disk_posix.h Makefile
	@mkdir -p $(@D)
	$(call say,asan $< on the virtual disk)
	$(Q)$(ASAN) -include tests/sim/disk_posix.h -c -o $@ $<

$(BUILD)/asan/sim: $(SIM_ASAN_OWN) $(BUILD)/asan/libadit.a
	$(call say,link $@)
	$(Q)$(ASAN) -o $@ $^ $(BEARSSL)

# SEEDS=n from 1 (or FROM) on, for SECONDS=t at most, or SEED=x alone with its
# trace.
sim: $(BUILD)/sim/sim
	@$(BUILD)/sim/sim $(if $(SEED),--seed $(SEED) --trace,\
	    --seeds $(SEEDS) $(if $(FROM),--from $(FROM)) \
	    $(if $(SECONDS),--seconds $(SECONDS)))

# A minute: seeds with and without sanitizers, and the planted bugs. PLANT=x
# only those with x in their name.
sim-short: $(BUILD)/sim/sim $(BUILD)/asan/sim sim-plants
	@$(BUILD)/sim/sim --seeds $(SIM_SEEDS)
	@$(BUILD)/asan/sim --seeds $(SIM_ASAN_SEEDS)
	@$(BUILD)/sim/sim --planted

sim-plants: $(BUILD)/sim/sim
	@tests/sim/plants.sh $(BUILD) '$(SIM_FLAGS) -w' $(BEARSSL) '$(PLANT)'

# ---- fuzzing: clang; this is also the build with clang's warnings --------

FUZZ_OBJ = $(patsubst %.c,$(BUILD)/clang/%.o,$(ASAN_SRC)) \
	$(GEN:$(BUILD)/gen/%.c=$(BUILD)/clang/gen/%.o)
FUZZ     = $(patsubst fuzz/%.c,$(BUILD)/clang/%,\
	$(sort $(wildcard fuzz/fuzz_*.c)))

$(BUILD)/clang/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,clang $<)
	$(Q)$(CLANG) $(if $(filter src/app/%,$<),$(VERSION_FLAG)) -c -o $@ $<

$(BUILD)/clang/gen/%.o: $(BUILD)/gen/%.c Makefile
	@mkdir -p $(@D)
	$(call say,clang $<)
	$(Q)$(CLANG) -c -o $@ $<

$(BUILD)/clang/libadit.a: $(FUZZ_OBJ)
	@rm -f $@
	@ar rcs $@ $(FUZZ_OBJ)

$(BUILD)/clang/fuzz_%: $(BUILD)/clang/fuzz/fuzz_%.o $(BUILD)/clang/libadit.a
	$(call say,link $@)
	$(Q)$(CLANG) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) \
	    $(BEARSSL)

$(BUILD)/clang/fuzz_relay $(BUILD)/clang/fuzz_channel: \
    $(BUILD)/clang/tests/sim/world.o $(BUILD)/clang/tests/sim/rig.o

clang: $(patsubst %.c,$(BUILD)/clang/%.o,$(SRC)) $(FUZZ)

# New inputs go to build/fuzz/X; what they found and is worth keeping is
# copied to fuzz/corpus/X by hand.
run_fuzz = @for t in $(FUZZ); do x=$${t\#\#*/fuzz_}; \
	mkdir -p $(BUILD)/fuzz/$$x; seeds=; \
	[ ! -d fuzz/corpus/$$x ] || seeds=fuzz/corpus/$$x; \
	$$t -seed=1 -max_total_time=$(1) -timeout=10 -rss_limit_mb=2048 \
	    -artifact_prefix=$(BUILD)/fuzz/$$x- $(BUILD)/fuzz/$$x $$seeds \
	    >$$t.log 2>&1 || { cat $$t.log; exit 1; }; \
	echo "$$(grep '^Done' $$t.log) $$t"; \
	done; echo "fuzz: $(words $(FUZZ)) targets, none failed"

fuzz: $(FUZZ)
	$(call run_fuzz,$(T))

fuzz-short: $(FUZZ)
	$(call run_fuzz,5)

# ---- everything ----------------------------------------------------------

test: test-deps
	@$(MAKE) --no-print-directory -j$(JOBS) test-programs
	@$(MAKE) --no-print-directory tidy check-binary repro unit sim-short \
	    kqueue fuzz-short e2e e2e-kqueue
	@echo "make test: all passed"

test-deps:
	@if [ -x tests/install-test-deps ]; then tests/install-test-deps; fi

test-programs: $(BUILD)/adit $(BUILD)/adit-probe $(UNIT) $(BUILD)/sim/sim \
    $(BUILD)/asan/sim $(KQ_UNIT) clang

tidy:
	@tests/tidy

# The limit is for Debian 12's compiler; others may make 2 % more of it.
SIZE_MAX = $(if $(filter 12,$(shell gcc -dumpversion)),589824,602112)
check-binary: $(BUILD)/adit
	@tools/check-binary $(BUILD)/adit $(SIZE_MAX)

# For a Pi and its like: installs what it needs if root does it, about 100 MB.
# The code of arm64 is larger.
CROSS_SIZE_MAX = 688128
cross:
	@tools/install-cross
	@$(MAKE) --no-print-directory cross-arm64 cross-armhf
cross-arm64: OTHER = aarch64-linux-gnu
cross-armhf: OTHER = arm-linux-gnueabihf
cross-arm64: QEMU = qemu-aarch64
cross-armhf: QEMU = qemu-arm
cross-arm64 cross-armhf: cross-%:
	@$(MAKE) --no-print-directory -s -j$(JOBS) CROSS=$(OTHER) \
	    BUILD=$(BUILD)/cross/$*
	@cp $(BUILD)/cross/$*/adit $(BUILD)/cross/adit-$*
	@cp $(BUILD)/cross/$*/adit.debug $(BUILD)/cross/adit-$*.debug
	@RUN=$(QEMU) tools/check-binary $(BUILD)/cross/adit-$* \
	    $(CROSS_SIZE_MAX)
	@RUN=$(QEMU) tools/smoke $(BUILD)/cross/adit-$*

# Built in two folders: the same bytes, stripped or not?
repro:
	@tools/repro

e2e: $(BUILD)/adit $(BUILD)/adit-probe
	@cd tests && ADIT_BIN=$(abspath $(BUILD)/adit) \
	    timeout $(E2E_TIMEOUT) node --test e2e/*.test.mjs \
	    wire/*.test.mjs agent-js/*.test.mjs

# The whole program on kqueue's stand-in, with one file of these.
e2e-kqueue:
	@$(MAKE) --no-print-directory -j$(JOBS) -s BACKEND=kqueue \
	    BUILD=$(BUILD)/kqueue
	@cd tests && ADIT_BIN=$(abspath $(BUILD)/kqueue/adit) \
	    timeout $(E2E_TIMEOUT) node --test e2e/hard-root.test.mjs

# The real workstation of the channel, from npm: minutes to install.
test-workstation: test-deps $(BUILD)/adit
	@BUILD='$(BUILD)' tests/workstation/run

run:
	@APP='$(APP)' PORT='$(PORT)' BUILD='$(BUILD)' tools/run

bench: $(BUILD)/adit
	tests/bench/run
	tests/bench/channel.mjs

wire: $(BUILD)/adit
	@cd tests && ADIT_BIN=$(abspath $(BUILD)/adit) node wire/bench.mjs

debug: $(BUILD)/asan/adit

install: $(BUILD)/adit
	install -D -m 755 $(BUILD)/adit $(DESTDIR)$(PREFIX)/bin/adit
	install -D -m 644 deploy/adit.1 $(DESTDIR)$(MANDIR)/adit.1
	for u in $(UNITS); do sed 's|/usr/local/bin/|$(PREFIX)/bin/|' deploy/$$u | \
	    install -D -m 644 /dev/stdin $(DESTDIR)$(UNITDIR)/$$u; done
MANDIR  = $(PREFIX)/share/man/man1
UNITDIR = $(PREFIX)/lib/systemd/system
UNITS   = adit-relay.service adit-agent.service

# The data directories stay.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/adit $(DESTDIR)$(MANDIR)/adit.1 \
	    $(UNITS:%=$(DESTDIR)$(UNITDIR)/%)

clean:
	rm -rf $(BUILD)

.PHONY: FORCE unit sim sim-short sim-plants kqueue clang fuzz fuzz-short test test-deps \
	test-programs tidy check-binary cross cross-arm64 cross-armhf repro e2e \
	e2e-kqueue test-workstation run bench wire debug install uninstall clean

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
