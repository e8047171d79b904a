# SPDX-License-Identifier: GPL-2.0-or-later
# `make run` shows this machine's kernel log with names; `make test` runs every test except those
# that need other kernels, which `make vm` runs. `make install` honours DESTDIR, PREFIX, SYSCONFDIR.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=

# `make test PYTHON=python3.13` tests with another Python, in a virtual environment of its own. Some
# tests run as user nobody, who must be able to run that Python.
PYTHON ?=
export VENV = .venv$(addprefix -,$(notdir $(PYTHON)))

.PHONY: run test vm check config bench setup install uninstall deb clean

run: setup
	@$(VENV)/bin/klogd-py --config etc/klogd-py.toml --sink console

# Three files at a time, since most of the longer tests wait; those that write to the kernel's log
# run one after the other.
test: setup-test
	$(VENV)/bin/python -m pytest -n 3 --no-loadscope-reorder -rs

# In virtual machines, two at a time: all of them, or one with GUEST=bare. The first run builds
# them.
vm: setup-vm
	@$(MAKE) --no-print-directory -j2 $(addprefix vm-image-,$(GUESTS))
	@$(MAKE) --no-print-directory -j2 -Oline $(addprefix vm-test-,$(GUESTS))

GUESTS = $(or $(GUEST),debian13 debian12 bare arm64)

vm-image-%:
	@$(VENV)/bin/python -m tests.vm.lab --make "$*"

vm-test-%:
	@echo "guest $*"; VM_GUEST="$*" $(VENV)/bin/python -m pytest -m vm tests/vm

check: setup-test
	$(VENV)/bin/ruff format --check klogd_py tests bench scripts scripts/torture
	$(VENV)/bin/ruff check klogd_py tests bench scripts scripts/torture
	$(VENV)/bin/mypy

# Write etc/klogd-py.toml and docs/klogd-py.toml.5 again after a change of the schema.
config:
	@scripts/generate-config

bench:
	@scripts/bench $(BENCH)

setup:
	@scripts/setup

.PHONY: setup-test setup-vm
setup-test:
	@PYTHON="$(PYTHON)" scripts/setup --test

setup-vm:
	@scripts/setup --test --vm

install:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" scripts/install

uninstall:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" scripts/install --remove

# The Debian package for this release of Debian, in dist/.
deb:
	@scripts/deb

clean:
	rm -rf .venv .venv-python* build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find klogd_py tests -name __pycache__ -exec rm -rf {} +
