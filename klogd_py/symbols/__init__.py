# SPDX-License-Identifier: GPL-2.0-or-later
"""Load the kernel's symbols and find the symbol that contains an address.

One module per source of symbols (`system_map`, `vmlinux`, `kallsyms`, `modules`), each of which
makes a `SymbolTable`; a `SymbolResolver` over all of them. `symbol_loader.load_symbols` reads
everything and returns a `SymbolSet`: the resolver, and a verdict on every candidate map.
"""
