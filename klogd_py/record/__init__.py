# SPDX-License-Identifier: GPL-2.0-or-later
"""The values that every package shares: records, gaps, entries and symbol addresses."""
