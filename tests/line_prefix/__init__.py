# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the package line_prefix."""
