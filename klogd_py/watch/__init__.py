# SPDX-License-Identifier: GPL-2.0-or-later
"""What tells us that the symbols or the configuration have changed.

Files (watchdog) and kernel uevents (pyroute2).
"""
