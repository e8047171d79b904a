# SPDX-License-Identifier: GPL-2.0-or-later
"""Write etc/klogd-py.toml and docs/klogd-py.toml.5 from the schema of the configuration."""
