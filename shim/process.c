/* Names and states of processes from /proc. */
#include "process.h"

#include <pwd.h>
#include <stdio.h>
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

bool rp_process_is_near(pid_t pid) {
    struct stat own, other;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    return stat("/proc/self/ns/net", &own) || stat(path, &other) ||
           (own.st_ino == other.st_ino && own.st_dev == other.st_dev);
}
