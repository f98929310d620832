/* SPDX-License-Identifier: MIT */
/* Arrays whose ends nobody may read or write beyond: the next page is not there. */
#ifndef UNITS_FENCE_H
#define UNITS_FENCE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { FENCE_PAGE = 65536 /* no machine has larger ones */, FENCED_MAX = 1 << 20 };

/* Of the compiler's leak detector: what that memory points to is not lost. */
void __lsan_register_root_region(const void *memory, size_t size);

/* So many zeroed elements of that size, a multiple of their alignment. */
static inline void *fenced(size_t count, size_t size) {
    uint8_t *room = mmap(NULL, FENCED_MAX + FENCE_PAGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED || mprotect(room + FENCED_MAX, FENCE_PAGE, PROT_NONE)) {
        perror("mmap");
        exit(1);
    }
    __lsan_register_root_region(room, FENCED_MAX);
    return room + FENCED_MAX - count * size;
}

#endif
