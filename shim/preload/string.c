/* SPDX-License-Identifier: MIT */
/* The functions of string.h that core calls or compilers emit, for the library alone and hidden in
 * it: each one that it imported would cost the loader some 650 instructions. Volatile accesses keep
 * compilers from turning a loop into a call of the very function that it is in. */
#include <string.h>

int bcmp(const void *left, const void *right, size_t size);

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    volatile unsigned char *out = to;
    const volatile unsigned char *in = from;
    while (size--) *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    volatile unsigned char *out = to;
    const volatile unsigned char *in = from;
    if (out <= in) return memcpy(to, from, size);
    while (size--) out[size] = in[size];
    return to;
}

void *memset(void *to, int byte, size_t size) {
    volatile unsigned char *out = to;
    while (size--) *out++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *left, const void *right, size_t size) {
    const volatile unsigned char *a = left, *b = right;
    for (; size; size--, a++, b++)
        if (*a != *b) return *a - *b;
    return 0;
}

/* What clang makes of memcmp(3) where only equality counts. */
int bcmp(const void *left, const void *right, size_t size) {
    return memcmp(left, right, size);
}
