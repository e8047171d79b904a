# SPDX-License-Identifier: GPL-2.0-or-later
"""What all that reads foreign bytes must hold to, whatever they are.

And a fuzzer that looks for bytes for which it does not.
"""
