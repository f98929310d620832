/* SPDX-License-Identifier: MIT */
/* inspect/holders: taking a descriptor that its owner replaces meanwhile. Prints what is not as it
 * should be, and how many checks were made. */
#include "base/clock.h"
#include "check.h"
#include "inspect/holders.h"
#include "inspect/option.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINGER = 8 /* seconds */ };

static int ask[2], answer[2]; /* pipes to and from the owner */
static bool armed;

/* Lets the owner close its descriptor. */
static void strike(void) {
    if (!armed) return;
    armed = false;
    check(write(ask[1], "", 1) == 1 && read(answer[0], &(char){0}, 1) == 1, "no owner");
}

/* Called between pidfd_getfd(2) and close(2), instead of the libc's. */
int fstat(int fd, struct stat *status) {
    strike();
    return (int)syscall(SYS_newfstatat, fd, "", status, AT_EMPTY_PATH);
}

/* A connection with data that nobody reads, whose last close waits. */
static int lingering(void) {
    static char data[1 << 20];
    const struct linger linger = {1, LINGER};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(!bind(listener, (struct sockaddr *)&name, size) && !listen(listener, 1) &&
              !getsockname(listener, (struct sockaddr *)&name, &size) &&
              !connect(fd, (struct sockaddr *)&name, size) &&
              !setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
          "no connection");
    while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0) {
    }
    return fd;
}

static pid_t start_owner(int fd) {
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(60);
    if (read(ask[0], &(char){0}, 1) == 1) close(fd);
    if (write(answer[1], "", 1) != 1) _exit(1);
    for (;;) pause();
}

static double take(uint32_t inode, int fd, pid_t owner) {
    struct rp_owner holder = {.fd = fd, .process.pid = owner};
    struct rp_socket socket = {.proto = RP_TCP, .inode = inode, .owners = &holder};
    bool changed;
    socket.owner_count = 1;
    const double begin = rp_now();
    armed = true;
    rp_option_switch(&socket, true, &changed);
    return rp_now() - begin;
}

/* other: its number belongs to another socket than was seen. */
static void attempt(bool other, const char *what) {
    struct stat status;
    check(!pipe2(ask, O_CLOEXEC) && !pipe2(answer, O_CLOEXEC), "no pipes");
    const int fd = lingering();
    check(!fstat(fd, &status), "no inode");
    const pid_t owner = start_owner(fd);
    close(fd); /* the owner has it, too */
    check(take((uint32_t)status.st_ino + other, fd, owner) < LINGER / 4.0, what);
    check(!armed, "it was not taken");
    kill(owner, SIGKILL);
    waitpid(owner, NULL, 0);
}

int main(void) {
    attempt(true, "waits for the data of a connection that has the number of the socket");
    attempt(false, "waits for the data of the connection");
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
