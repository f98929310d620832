/* SPDX-License-Identifier: MIT */
/* Runs a command that is made to believe, by a seccomp filter, that its kernel lacks something:
 *
 *     without WHAT COMMAND...
 *
 * WHAT: pidfd_getfd, pidfd_getfd:EPERM, pidfd_getfd:KILL, statx, clock, close_range, netlink, mask,
 * getsockopt, setsockopt, tor or nothing.
 *
 * The call fails with ENOSYS; getsockopt, setsockopt, what tor's sandbox forbids, and
 * pidfd_getfd:EPERM as in container runtimes, with EPERM; pidfd_getfd:KILL ends the caller, as
 * systemd's SystemCallFilter= does; socket(AF_NETLINK) with EAFNOSUPPORT; mask has
 * rt_sigprocmask(~0) succeed, which the kernel never does; nothing is a filter of one instruction,
 * which permits all. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/filter.h and linux/seccomp.h, which musl-gcc leaves out. */
struct instruction {
    unsigned short code;
    unsigned char if_true, if_false;
    unsigned k;
};
struct program {
    unsigned short length;
    struct instruction *instructions;
};
enum { LOAD = 0x20, JUMP_EQUAL = 0x15, RETURN = 0x06 };
#define ALLOW 0x7fff0000U
#define KILL 0x80000000U
#define FAIL(error) (0x00050000U | (error))

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const int is_mask = !strcmp(argv[1], "mask"),
              is_argument = is_mask || !strcmp(argv[1], "netlink");
    const int is_getting = !strcmp(argv[1], "getsockopt");
    const int is_option = is_getting || !strcmp(argv[1], "setsockopt");
    const int is_denied = is_option || !strcmp(argv[1], "pidfd_getfd:EPERM");
    const unsigned call_number = is_getting                        ? SYS_getsockopt
                                 : is_option                       ? SYS_setsockopt
                                 : !strcmp(argv[1], "statx")       ? SYS_statx
                                 : !strcmp(argv[1], "clock")       ? SYS_clock_gettime
                                 : !strcmp(argv[1], "close_range") ? 436
                                                                   : 438 /* pidfd_getfd */;
    struct instruction call[] = {{LOAD, 0, 0, 0},
                                 {JUMP_EQUAL, 0, 1, call_number},
                                 {RETURN, 0, 0,
                                  is_denied                              ? FAIL(EPERM)
                                  : !strcmp(argv[1], "pidfd_getfd:KILL") ? KILL
                                                                         : FAIL(ENOSYS)},
                                 {RETURN, 0, 0, ALLOW}};
    struct instruction argument[] = {{LOAD, 0, 0, 0},
                                     {JUMP_EQUAL, 0, 3, is_mask ? SYS_rt_sigprocmask : SYS_socket},
                                     {LOAD, 0, 0, 16},
                                     {JUMP_EQUAL, 0, 1, is_mask ? ~0U : AF_NETLINK},
                                     {RETURN, 0, 0, FAIL(is_mask ? 0U : EAFNOSUPPORT)},
                                     {RETURN, 0, 0, ALLOW}};
    /* Of rt_sigprocmask it permits SIG_UNBLOCK and SIG_SETMASK. */
    struct instruction tor[] = {{LOAD, 0, 0, 0},
                                {JUMP_EQUAL, 6, 0, SYS_setsockopt},
                                {JUMP_EQUAL, 5, 0, SYS_getsockopt},
                                {JUMP_EQUAL, 4, 0, SYS_ppoll},
                                {JUMP_EQUAL, 0, 4, SYS_rt_sigprocmask},
                                {LOAD, 0, 0, 16},
                                {JUMP_EQUAL, 2, 0, SIG_UNBLOCK},
                                {JUMP_EQUAL, 1, 0, SIG_SETMASK},
                                {RETURN, 0, 0, FAIL(EPERM)},
                                {RETURN, 0, 0, ALLOW}};
    const struct program program = !strcmp(argv[1], "tor")       ? (struct program){10, tor}
                                   : !strcmp(argv[1], "nothing") ? (struct program){1, call + 3}
                                   : is_argument                 ? (struct program){6, argument}
                                                                 : (struct program){4, call};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) || prctl(PR_SET_SECCOMP, 2L, &program)) {
        perror("without");
        return 2;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
