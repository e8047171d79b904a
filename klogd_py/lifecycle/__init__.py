# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of the running daemon; reactions to signals, changes and the service manager."""
