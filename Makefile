# SPDX-License-Identifier: GPL-2.0-or-later
# The two commands that matter: `make run` shows this machine's kernel log with names; `make test` tests it all, but for what
# needs other kernels: `make vm`.
# `make install` honours DESTDIR, PREFIX and SYSCONFDIR.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=

.PHONY: run test vm check bench setup install uninstall deb clean

run: setup
	@.venv/bin/klogd-py --config etc/klogd-py.toml --sink console

# Three files at a time, since most of the longer tests wait; those that write to the kernel's log one after the other.
test: setup-test
	.venv/bin/python -m pytest -n 3 --no-loadscope-reorder

# In virtual machines, two at a time, all of them or GUEST=bare; the first run makes them and takes its time.
vm: setup-vm
	@$(MAKE) --no-print-directory -j2 $(addprefix vm-image-,$(GUESTS))
	@$(MAKE) --no-print-directory -j2 -Oline $(addprefix vm-test-,$(GUESTS))

GUESTS = $(or $(GUEST),debian13 debian12 bare arm64)

vm-image-%:
	@.venv/bin/python -m tests.vm.lab --make "$*"

vm-test-%:
	@echo "guest $*"; VM_GUEST="$*" .venv/bin/python -m pytest -m vm tests/vm

check: setup-test
	.venv/bin/ruff format --check klogd_py tests bench scripts/torture
	.venv/bin/ruff check klogd_py tests bench scripts/torture
	.venv/bin/mypy

bench:
	@scripts/bench $(BENCH)

setup:
	@scripts/setup

.PHONY: setup-test setup-vm
setup-test:
	@scripts/setup --test

setup-vm:
	@scripts/setup --test --vm

install:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" scripts/install

uninstall:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" scripts/install --remove

# The Debian package for the Debian at hand, into dist/.
deb:
	@scripts/deb

clean:
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find klogd_py tests -name __pycache__ -exec rm -rf {} +
