/* SPDX-License-Identifier: MIT */
/* A preload library whose constructor binds in 8 threads at once, to the port of EARLY_PORT, and
 * prints how many of the sockets share it. They are created without libc: bind() is the first call
 * that passes through another preload. */
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 8 };

static int (*first_bind)(int, const struct sockaddr *, socklen_t);
static struct sockaddr_in address = {.sin_family = AF_INET};
static int waiting, shared;

static void *bind_at_once(void *nothing) {
    int value = 0;
    const int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    __atomic_sub_fetch(&waiting, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&waiting, __ATOMIC_RELAXED)) {
    }
    if (!first_bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
        !getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &(socklen_t){sizeof(value)}) && value)
        __atomic_add_fetch(&shared, 1, __ATOMIC_RELAXED);
    return nothing;
}

__attribute__((constructor)) static void early(void) {
    const char *port = getenv("EARLY_PORT");
    pthread_t threads[THREADS];
    if (!port) return;
    /* Through the dynamic linker, so that the first library in LD_PRELOAD gets the call. */
    first_bind = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_DEFAULT, "bind");
    address.sin_port = htons((in_port_t)atoi(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    waiting = THREADS;
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, bind_at_once, NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("shared=%d\n", shared);
    fflush(stdout);
}
