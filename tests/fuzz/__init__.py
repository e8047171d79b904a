# SPDX-License-Identifier: GPL-2.0-or-later
"""What every parser of foreign bytes must satisfy, and a fuzzer that looks for bytes that break
it."""
