# SPDX-License-Identifier: GPL-2.0-or-later
"""Is this machine fit for klogd-py? One module for each kind of question; `visit` asks them all.

Each check looks, changes and sends nothing, and answers with one `Finding` in plain words, with the
command that mends it.
"""
