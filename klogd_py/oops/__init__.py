# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse crash reports: addresses in lines, traces, boots, and what a line proves; all pure."""
