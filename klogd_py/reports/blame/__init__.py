# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the function to blame, by what is noise and by the recipe of each kind."""
