# SPDX-License-Identifier: GPL-2.0-or-later
"""Infer how far KASLR has moved the kernel from its map, and check it."""
