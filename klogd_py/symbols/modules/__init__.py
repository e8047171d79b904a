# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbols of loaded modules: their list, their files, and their addresses in memory."""
