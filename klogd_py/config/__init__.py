# SPDX-License-Identifier: GPL-2.0-or-later
"""Read and check the configuration: files, schema, value types and command line."""
