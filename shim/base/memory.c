/* SPDX-License-Identifier: MIT */
/* Room doubles whenever it is used up, which is when the count is a power of two. */
#include "base/memory.h"

#include "base/die.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *rp_grow(void *array, size_t count, size_t size) {
    if (count & (count - 1)) return array;
    void *more = realloc(array, (count ? 2 * count : 1) * size);
    if (!more) rp_die("%s", strerror(errno));
    return more;
}
