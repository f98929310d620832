/* Resolving of the real functions: lazily, since another library's constructor may call before ours
 * has run, and without a lock, since every thread finds the same. */
#include "preload/real.h"

#include <sys/syscall.h>
#include <unistd.h>

/* Declared here: <dlfcn.h> renames it on 32-bit musl. Weak: glibc before 2.34 has it in libdl only. */
void *dlsym(void *handle, const char *name) __attribute__((weak));

static __typeof__(socket) *real_socket;
static __typeof__(bind) *real_bind;

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

void rp_real_resolve(void) {
    void *const next = (void *)-1L; /* RTLD_NEXT of both libcs */
    __typeof__(socket) *next_socket = dlsym ? (__typeof__(socket) *)dlsym(next, "socket") : NULL;
    __typeof__(bind) *next_bind = dlsym ? (__typeof__(bind) *)dlsym(next, "bind") : NULL;
    __atomic_store_n(&real_socket, next_socket ? next_socket : system_socket, __ATOMIC_RELAXED);
    __atomic_store_n(&real_bind, next_bind ? next_bind : system_bind, __ATOMIC_RELAXED);
}

int rp_real_socket(int domain, int type, int protocol) {
    if (!__atomic_load_n(&real_socket, __ATOMIC_RELAXED)) rp_real_resolve();
    return __atomic_load_n(&real_socket, __ATOMIC_RELAXED)(domain, type, protocol);
}

int rp_real_bind(int fd, const struct sockaddr *address, socklen_t length) {
    if (!__atomic_load_n(&real_bind, __ATOMIC_RELAXED)) rp_real_resolve();
    return __atomic_load_n(&real_bind, __ATOMIC_RELAXED)(fd, address, length);
}
