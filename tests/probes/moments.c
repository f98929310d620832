/* SPDX-License-Identifier: MIT */
/* Binds to the ports of its arguments at awkward moments, and prints whether the socket then had
 * SO_REUSEPORT:
 *
 *     moments signal|fork|vfork|overwritten PORT
 *     moments threads PORT COUNT     8 threads bind COUNT times each, and close */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8 };

static struct sockaddr_in address = {.sin_family = AF_INET};
static int rounds;
static volatile sig_atomic_t outcome = -2;

/* 0 or 1 as the option is after a successful bind, else -1. */
static int bind_once(void) {
    int value = -1;
    socklen_t size = sizeof(value);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
        getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &size))
        value = -1;
    close(fd);
    return value;
}

static void handler(int signal_number) {
    (void)signal_number;
    outcome = bind_once();
}

static void *bind_often(void *wrong) {
    for (int i = 0; i < rounds; i++) *(long *)wrong += bind_once() != 1;
    return NULL;
}

static void run_threads(void) {
    pthread_t threads[THREADS];
    long wrong[THREADS] = {0}, sum = 0;
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, bind_often, &wrong[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += wrong[i];
    }
    printf("binds=%d wrong=%ld\n", THREADS * rounds, sum);
}

/* As setproctitle does, in the memory where the kernel put the environment. */
static void overwrite_environment(char **environment) {
    for (char **variable = environment; *variable; variable++)
        memset(*variable, 'x', strlen(*variable));
}

int main(int argc, char **argv, char **environment) {
    pid_t child;
    int status = 0;
    if (argc < 3) return 2;
    address.sin_port = htons((in_port_t)atoi(argv[2]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!strcmp(argv[1], "signal")) {
        signal(SIGUSR1, handler);
        raise(SIGUSR1);
    } else if (!strcmp(argv[1], "fork")) {
        if (!(child = fork())) _exit(bind_once() + 10);
        waitpid(child, &status, 0);
        outcome = WEXITSTATUS(status) - 10;
    } else if (!strcmp(argv[1], "vfork")) {
        /* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): it is what is tested */
        if (!(child = vfork())) _exit(bind_once() + 10); /* NOLINT(clang-analyzer-unix.Vfork) */
        waitpid(child, &status, 0);
        outcome = WEXITSTATUS(status) - 10;
    } else if (!strcmp(argv[1], "overwritten")) {
        overwrite_environment(environment);
        outcome = bind_once();
    } else if (!strcmp(argv[1], "threads") && argc > 3) {
        rounds = atoi(argv[3]);
        run_threads();
        return 0;
    }
    printf("reuseport=%d\n", (int)outcome);
    return 0;
}
