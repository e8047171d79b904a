# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of ``klogd-py reports``: list, show, decode, export and forget crash reports."""
