# SPDX-License-Identifier: GPL-2.0-or-later
"""Set-up, tests, packages and installation on bare Debian systems: scripts/bare-systems."""
