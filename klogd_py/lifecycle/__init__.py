# SPDX-License-Identifier: GPL-2.0-or-later
"""Reactions of the running daemon: to signals, changed files and modules, and the service
manager.
"""
