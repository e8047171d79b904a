# SPDX-License-Identifier: GPL-2.0-or-later
"""Limit what counts of one oops as evidence for a slide or for the base of a module."""

# Of one trace that are scored
MAX_FRAMES = 64
# Of a Code: line, to be compared at all
MIN_COMPARED_BYTES = 16
