/* SPDX-License-Identifier: MIT */
/* Reads /proc/self; the numbers of the initial namespaces never change. */
#include "core/outside.h"

#include "core/kernel.h"
#include "core/lines.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static uint32_t overflow_uid(void) {
    struct rp_lines lines;
    uint32_t uid = 65534;
    if (!rp_lines_open(&lines, "/proc/sys/kernel/overflowuid")) return uid;
    const char *line = rp_lines_next(&lines);
    if (line) uid = rp_number(line, 10, 10);
    rp_lines_close(&lines);
    return uid;
}

/* A number of a line such as "         0       1000          1"; moves *at behind it. */
static uint32_t number(const char **at) {
    while (**at == ' ') ++*at;
    const uint32_t value = rp_number(*at, 10, 10);
    while (**at && **at != ' ') ++*at;
    return value;
}

bool rp_is_outside_user(uint32_t uid) {
    struct rp_lines lines;
    bool mapped = false;
    if (uid != overflow_uid() || !rp_lines_open(&lines, "/proc/self/uid_map")) return false;
    for (const char *line; !mapped && (line = rp_lines_next(&lines));) {
        const uint32_t first = number(&line);
        number(&line); /* as the parent namespace has it */
        mapped = uid >= first && uid - first < number(&line);
    }
    rp_lines_close(&lines);
    return !mapped;
}

bool rp_has_outside(void) {
    static const char initial[] = "pid:[4026531836]"; /* PROC_PID_INIT_INO */
    char link[32] = {0};
    syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/pid", link, sizeof(link) - 1);
    return *link && memcmp(link, initial, sizeof(initial)) != 0;
}
