/* SPDX-License-Identifier: MIT */
/* Resolving the real functions: when first called, since another library's constructor may call
 * before ours has run, and without a lock, since every thread finds the same. */
#include "preload/real.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Declared here: <dlfcn.h> renames it on 32-bit musl. Weak: glibc before 2.34 has it in libdl
 * only. */
void *dlsym(void *handle, const char *name) __attribute__((weak));

static void *real_socket, *real_bind;

#ifdef SYS_socketcall /* i386 had no other before Linux 4.3 */
#define CALL(number, name, ...) syscall(SYS_socketcall, number, ((long[]){__VA_ARGS__}))
#else
#define CALL(number, name, ...) syscall(name, __VA_ARGS__)
#endif

static int system_socket(int domain, int type, int protocol) {
    return (int)CALL(1, SYS_socket, domain, type, protocol);
}

static int system_bind(int fd, const struct sockaddr *address, socklen_t length) {
    return (int)CALL(2, SYS_bind, fd, (long)address, (long)length);
}

/* The next one that the loader knows, else the fallback. */
static void *find(void **real, const char *name, void *fallback) {
    void *found = __atomic_load_n(real, __ATOMIC_RELAXED);
    if (found) return found;
    const int keep = errno;
    if (dlsym) found = dlsym((void *)-1L /* RTLD_NEXT of both libcs */, name);
    if (!found) found = fallback;
    __atomic_store_n(real, found, __ATOMIC_RELAXED);
    errno = keep;
    return found;
}

static __typeof__(socket) *find_socket(void) {
    return (__typeof__(socket) *)find(&real_socket, "socket", (void *)system_socket);
}

static __typeof__(bind) *find_bind(void) {
    return (__typeof__(bind) *)find(&real_bind, "bind", (void *)system_bind);
}

void rp_real_resolve(void) {
    find_socket();
    find_bind();
}

int rp_real_socket(int domain, int type, int protocol) {
    return find_socket()(domain, type, protocol);
}

int rp_real_bind(int fd, const struct sockaddr *address, socklen_t length) {
    return find_bind()(fd, address, length);
}
