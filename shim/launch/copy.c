/* SPDX-License-Identifier: MIT */
/* From the prepared launch to execve(2). */
#include "launch/copy.h"

#include "base/die.h"
#include "launch/environment.h"
#include "seccomp/enter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The word with every occurrence of the string replaced by the number, in memory of its own. */
static char *replace_in(const char *word, const char *string, const char *number) {
    const size_t size = strlen(word) * strlen(number) + strlen(word) + 1;
    char *result = malloc(size), *to = result;
    if (!result) rp_die("%s", strerror(errno));
    while (*word) {
        const bool here = !strncmp(word, string, strlen(string));
        if (here)
            to = stpcpy(to, number);
        else
            *to++ = *word;
        word += here ? strlen(string) : 1;
    }
    *to = '\0';
    return result;
}

int rp_become_copy(const struct rp_copies *copies, int index) {
    const struct rp_launch *launch = copies->launch;
    const char *why = NULL;
    char number[16];
    snprintf(number, sizeof(number), "%d", index < 0 ? 0 : index);
    if (index >= 0) rp_set_variable("REUSEPORT_INSTANCE", number);
    if (copies->notify)
        rp_set_variable("NOTIFY_SOCKET", copies->notify[index < 0 ? 0 : index].name);
    for (char **word = copies->arguments + 1; copies->replace && *word; word++)
        *word = replace_in(*word, copies->replace, number);
    if (launch->method == RP_SECCOMP)
        why = rp_seccomp_enter(&launch->config, rp_environment_list(launch->list));
    if (why) {
        rp_warn("%s: sharing by seccomp %s", copies->arguments[0], why);
        return RP_FAILED;
    }
    execv(launch->preflight.files[0], copies->arguments);
    const int error = errno;
    rp_warn("%s: %s", copies->arguments[0], strerror(error));
    return error == ENOENT ? RP_NOT_FOUND : RP_CANNOT_RUN;
}
