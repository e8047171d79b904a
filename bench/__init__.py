# SPDX-License-Identifier: GPL-2.0-or-later
"""What klogd-py costs, and what others cost that do the same.

Measured side by side on this machine's own /dev/kmsg.
"""
