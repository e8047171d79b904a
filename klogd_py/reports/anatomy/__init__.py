# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the lines of a crash apart: stacks, registers, process, kernel, modules, locks."""
