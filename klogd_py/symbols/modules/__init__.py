# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbols of loaded modules: their list, their files, and where they lie in memory."""
