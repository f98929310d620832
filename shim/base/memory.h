/* SPDX-License-Identifier: MIT */
/* Arrays that grow, in a command that cannot go on without memory. */
#ifndef RP_MEMORY_H
#define RP_MEMORY_H

#include <stddef.h>

/* Makes room for one element more behind count elements of that size, in an array that this
 * function alone has grown; NULL is an empty one. Returns the array, perhaps moved (realloc(3));
 * exits with 125 if memory runs out. */
void *rp_grow(void *array, size_t count, size_t size);

#endif
