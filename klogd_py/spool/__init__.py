# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep the reports of crashes in files, found again after a restart."""
