/* Names and states of processes from /proc. */
#include "inspect/process.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *rp_user_name(uint32_t uid, char text[RP_NAME_SIZE]) {
    const struct passwd *user = getpwuid(uid);
    if (user)
        snprintf(text, RP_NAME_SIZE, "%s", user->pw_name);
    else
        snprintf(text, RP_NAME_SIZE, "%u", uid);
    return text;
}

static bool read_file(pid_t pid, const char *name, char *text, int size) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    const bool good = file && fgets(text, size, file);
    if (file) fclose(file);
    return good;
}

const char *rp_process_name(pid_t pid, char text[RP_NAME_SIZE]) {
    if (!read_file(pid, "comm", text, RP_NAME_SIZE)) snprintf(text, RP_NAME_SIZE, "?");
    text[strcspn(text, "\n")] = '\0';
    for (char *at = text; *at; at++)
        if (*at < ' ' || *at > '~') *at = '?';
    return text;
}

char rp_process_state(pid_t pid) {
    char line[512];
    const char *after = read_file(pid, "stat", line, sizeof(line)) ? strrchr(line, ')') : NULL;
    return (char)(after && after[1] ? after[2] : '\0');
}

int rp_process_children(pid_t *children, int most) {
    char path[64];
    int count = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    while (count < most && fscanf(file, "%d", &children[count]) == 1) count++;
    fclose(file);
    return count;
}

static pid_t parent(pid_t pid) {
    char line[512];
    const char *after = read_file(pid, "stat", line, sizeof(line)) ? strrchr(line, ')') : NULL;
    int result = 0;
    return after && sscanf(after + 1, " %*c %d", &result) == 1 ? result : 0;
}

bool rp_process_is_below(pid_t pid, pid_t ancestor) {
    for (int depth = 0; pid > 0 && depth < 1000; depth++, pid = parent(pid))
        if (pid == ancestor) return true;
    return false;
}

/* Whether /proc is that of this process's PID namespace: else its numbers are other processes'. */
static bool is_own_proc(void) {
    char text[32] = {0};
    return readlink("/proc/self", text, sizeof(text) - 1) > 0 && atoi(text) == (int)getpid();
}

/* 1 if it is in this process's network namespace, 0 if it is not, -1 if that cannot be told. */
static int compare_network(pid_t pid) {
    struct stat own, other;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    if (!is_own_proc() || stat("/proc/self/ns/net", &own) || stat(path, &other)) return -1;
    return own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

bool rp_process_is_near(pid_t pid) {
    return compare_network(pid) != 0;
}

bool rp_process_is_surely_near(pid_t pid) {
    return compare_network(pid) == 1;
}

/* The numbers behind a name in /proc/PID/status; returns how many of the four there are. */
static int read_status(pid_t pid, const char *name, int numbers[4]) {
    char path[64], line[256];
    int count = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = is_own_proc() ? fopen(path, "re") : NULL;
    while (file && count == 0 && fgets(line, sizeof(line), file))
        if (!strncmp(line, name, strlen(name)))
            count = sscanf(line + strlen(name), "%d %d %d %d", &numbers[0], &numbers[1],
                           &numbers[2], &numbers[3]);
    if (file) fclose(file);
    return count;
}

pid_t rp_process_leader(pid_t thread) {
    int numbers[4];
    return read_status(thread, "Tgid:", numbers) >= 1 ? numbers[0] : thread;
}

bool rp_process_user(pid_t pid, uid_t *user, gid_t *group) {
    int users[4], groups[4];
    if (read_status(pid, "Uid:", users) != 4 || read_status(pid, "Gid:", groups) != 4) return false;
    *user = (uid_t)users[0];
    *group = (gid_t)groups[0];
    return true;
}

int rp_process_fsuid(pid_t thread) {
    int numbers[4];
    return read_status(thread, "Uid:", numbers) == 4 ? numbers[3] : -1;
}

bool rp_process_arguments(unsigned long *start, unsigned long *end) {
    char line[1024];
    const bool read = is_own_proc() && read_file(getpid(), "stat", line, sizeof(line));
    const char *after = read ? strrchr(line, ')') : NULL;
    /* Fields 48 and 49; behind the name comes the third. */
    for (int field = 3; after && field <= 48; field++) after = strchr(after + 1, ' ');
    return after && sscanf(after, "%lu %lu", start, end) == 2;
}
