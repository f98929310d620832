/* SPDX-License-Identifier: MIT */
/* Searches PATH as execvp(3) does. */
#include "launch/find_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rp_try_file(const char *path, struct stat *status) {
    if (stat(path, status)) return errno;
    return !S_ISREG(status->st_mode) || access(path, X_OK) ? EACCES : 0;
}

int rp_find_command(const char *command, char path[PATH_MAX], struct stat *status) {
    const char *directory = getenv("PATH");
    int error = ENOENT;
    if (!*command || strlen(command) >= PATH_MAX) return ENOENT;
    if (strchr(command, '/'))
        return rp_try_file(memcpy(path, command, strlen(command) + 1), status);
    for (directory = directory ? directory : "/bin:/usr/bin"; directory;) {
        const size_t length = strcspn(directory, ":");
        const int size = snprintf(path, PATH_MAX, "%.*s/%s", length ? (int)length : 1,
                                  length ? directory : ".", command);
        const int result = size < PATH_MAX ? rp_try_file(path, status) : ENOENT;
        if (!result) return 0;
        if (result == EACCES) error = EACCES;
        directory = directory[length] ? directory + length + 1 : NULL;
    }
    return error;
}
