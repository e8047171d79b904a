# SPDX-License-Identifier: GPL-2.0-or-later
"""Where names come from: one module per source, each with a `SymbolTable` as its product, and the `SymbolResolver`
over them all.

`survey` is the door: told where to look, it returns an atlas and a verdict on every candidate map.
"""
