// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One object of all parts: on arm64, the code of a module of several objects stands behind .plt,
 * whose size only the loader of the kernel knows.
 */
#include "trouble.c"
#include "crashes.c"
