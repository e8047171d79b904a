# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the reports of crashes in a stream of entries: where each begins, what belongs to it."""
