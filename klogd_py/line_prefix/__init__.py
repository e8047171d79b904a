# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what stands before the kernel's own text in a line of any capture of its log."""
