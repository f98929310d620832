/* SPDX-License-Identifier: MIT */
/* inspect/rights: what it tries leaves no descriptor and no child behind. Prints what is not as it
 * should be, and how many checks were made. */
#include "inspect/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned checks, failures;

static void check(bool good, const char *what) {
    checks++;
    failures += !good;
    if (!good) printf("wrong: %s\n", what);
}

static int descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

int main(void) {
    const int before = descriptors();
    const bool filtered = rp_is_filtered();
    check(descriptors() == before, "descriptors after trying it on itself");
    const int error = rp_try_child();
    check(descriptors() == before, "descriptors after trying it on a child");
    check(!error || error == EPERM || error == ENOSYS, "the error of trying it on a child");
    check(!filtered || error == EPERM, "a filter, but not for a child");
    check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
