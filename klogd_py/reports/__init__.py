# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn the lines of a crash into one report: what, where, and how sure that is."""
