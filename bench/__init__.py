# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the cost of klogd-py and of other log daemons on the /dev/kmsg of this machine."""
