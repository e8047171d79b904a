# SPDX-License-Identifier: GPL-2.0-or-later
"""Check whether a machine is ready for klogd-py: the checks, by subject, and `runner`.

A check only reads: it changes and sends nothing. It returns one or more `Finding` values, each with
the command that solves the problem.
"""
