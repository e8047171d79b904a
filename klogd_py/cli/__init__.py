# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands klogd-py and klogd: one module for each subcommand."""
