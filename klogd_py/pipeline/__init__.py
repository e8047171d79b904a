# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry records from the source through the stages to the queues of the sinks."""
