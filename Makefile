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

.PHONY: run test cases vm rules check config bench setup install uninstall deb clean

# Ctrl-C ends make itself. A command that it ends as well is no error to be printed.
IN_VENV = trap 'exit 0' INT; scripts/in-venv

run:
	@$(IN_VENV) --daemon klogd-py --config etc/klogd-py.toml --sink console

# Four files at a time, since most of the longer tests wait; those that write to the kernel's log
# run one after the other.
test:
	@$(IN_VENV) --test python -m pytest -n 4 --no-loadscope-reorder

# Recorded logs of other systems, each with a script that says whether klogd-py does the right thing
# with them. They are not part of the repository; CASES names their folder.
CASES ?= ../shared/data/cases

cases:
	@$(IN_VENV) scripts/cases "$(CASES)" $(CASE)

# In virtual machines, two at a time: all of them, or one with GUEST=bare. The first run builds
# them.
vm:
	@trap 'exit 0' INT; scripts/setup --test --vm
	@$(MAKE) --no-print-directory -j2 $(addprefix vm-image-,$(GUESTS))
	@$(MAKE) --no-print-directory -j2 -Oline $(addprefix vm-test-,$(GUESTS))
	@$(if $(GUEST),,$(MAKE) --no-print-directory rules)

# The slower ones first
GUESTS = $(or $(GUEST),debian13 debian12 arm64 bare)

vm-image-%:
	@$(IN_VENV) --test python -m tests.vm.lab --make "$*"

vm-test-%:
	@echo "guest $*"; export VM_GUEST="$*"; $(IN_VENV) --test python -m pytest -m vm tests/vm

# The alert rules and the dashboard, with the programs of Debian's package prometheus. They are
# unpacked and kept, not installed: the package starts a server that listens on all addresses.
# Where they are there, `make test` runs these tests, too.
rules:
	@$(IN_VENV) --test python -m tests.vm.lab.prometheus
	@$(IN_VENV) --test python -m pytest tests/monitoring/test_alert_rules.py \
	    tests/monitoring/test_dashboard.py

check:
	@$(IN_VENV) --test --owner scripts/check

# Write etc/klogd-py.toml, docs/klogd-py.toml.5 and the JSON Schema again after a change.
config:
	@trap 'exit 0' INT; scripts/generate-config

bench:
	@trap 'exit 0' INT; scripts/bench $(BENCH)

setup:
	@trap 'exit 0' INT; scripts/setup

install:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" scripts/install

uninstall:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" scripts/install --remove

# The Debian package for this release of Debian, in dist/.
deb:
	@scripts/deb

clean:
	@scripts/clean
