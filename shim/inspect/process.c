/* SPDX-License-Identifier: MIT */
/* Reads each file at once into a buffer: stat is parsed from its last bracket on, which no name can
 * fake, and status by the keys at line starts, as it escapes the newlines of names. */
#include "inspect/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE = 2048, PARENTS_MAX = 1000 };

const char *rp_user_name(uint32_t uid, char text[RP_NAME_SIZE]) {
    const struct passwd *user = getpwuid(uid);
    if (user)
        snprintf(text, RP_NAME_SIZE, "%s", user->pw_name);
    else
        snprintf(text, RP_NAME_SIZE, "%u", uid);
    return text;
}

int rp_process_open(pid_t pid) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Reads the first bytes of a file, all that is needed of it. Returns the length, or 0. */
static size_t read_file(int directory, const char *name, char text[FILE_SIZE]) {
    const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    const ssize_t length = fd < 0 ? -1 : read(fd, text, FILE_SIZE - 1);
    if (fd >= 0) close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

/* The text of stat from that field on, numbered as in proc(5), greater than 2; or NULL. */
static const char *find_field(const char *text, size_t length, int number) {
    const char *at = length ? memrchr(text, ')', length) : NULL;
    for (int field = 3; at && field <= number; field++) at = strchr(at + 1, ' ');
    return at;
}

static const char *stat_field(int directory, int number, char text[FILE_SIZE]) {
    return find_field(text, read_file(directory, "stat", text), number);
}

bool rp_process_start(int directory, unsigned long long *start) {
    char text[FILE_SIZE];
    const char *field = stat_field(directory, 22, text);
    return field && sscanf(field, "%llu", start) == 1;
}

/* The text of status behind a key such as "Tgid:", or NULL. */
static const char *status_value(const char *text, const char *key) {
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, strlen(key))) return line + strlen(key);
    }
    return NULL;
}

static bool read_ids(const char *text, const char *key, unsigned ids[4]) {
    const char *value = status_value(text, key);
    return value && sscanf(value, "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) == 4;
}

static bool read_pid(const char *text, const char *key, pid_t *pid) {
    const char *value = status_value(text, key);
    return value && sscanf(value, "%d", pid) == 1;
}

static bool parse_status(const char *text, struct rp_status *status) {
    const char *state = status_value(text, "State:");
    if (!state) return false;
    status->state = state[strspn(state, " \t")];
    return read_pid(text, "Tgid:", &status->leader) && read_pid(text, "PPid:", &status->parent) &&
           read_ids(text, "Uid:", status->users) && read_ids(text, "Gid:", status->groups);
}

static bool read_status(int directory, struct rp_status *status) {
    char text[FILE_SIZE];
    return read_file(directory, "status", text) && parse_status(text, status);
}

bool rp_process_find(pid_t pid, struct rp_process *process, struct rp_status *status) {
    const int directory = rp_process_open(pid);
    if (directory < 0) return false;
    process->pid = pid;
    const bool found =
        rp_process_start(directory, &process->start) && (!status || read_status(directory, status));
    close(directory);
    return found;
}

bool rp_process_exists(const struct rp_process *process) {
    struct rp_process now;
    return rp_process_find(process->pid, &now, NULL) && now.start == process->start;
}

const char *rp_process_name(const struct rp_process *process, char text[RP_NAME_SIZE]) {
    char name[FILE_SIZE];
    unsigned long long start;
    const int directory = rp_process_open(process->pid);
    const bool same =
        directory >= 0 && rp_process_start(directory, &start) && start == process->start;
    size_t length = same ? read_file(directory, "comm", name) : 0;
    if (directory >= 0) close(directory);
    if (length && name[length - 1] == '\n') name[--length] = '\0';
    for (char *at = name; at < name + length; at++)
        if (*at < ' ' || *at > '~') *at = '?';
    snprintf(text, RP_NAME_SIZE, "%.*s", RP_NAME_SIZE - 1, length ? name : "?");
    return text;
}

char rp_process_state(const struct rp_process *process) {
    char text[FILE_SIZE];
    unsigned long long start;
    const int directory = rp_process_open(process->pid);
    const char *at = directory < 0 ? NULL : stat_field(directory, 3, text);
    if (directory >= 0) close(directory);
    const char state = (char)(at ? at[1] : '\0');
    for (int field = 3; at && field < 22; field++) at = strchr(at + 1, ' ');
    return (char)(at && sscanf(at, "%llu", &start) == 1 && start == process->start ? state : '\0');
}

bool rp_proc_is_own(void) {
    char text[32] = {0};
    return readlink("/proc/self", text, sizeof(text) - 1) > 0 && atoi(text) == (int)getpid();
}

/* Whether the kernel lists children. */
static bool has_lists(void) {
    return !access("/proc/thread-self/children", R_OK);
}

static void visit_list(int tasks, const char *thread, rp_child_visit *visit, void *context) {
    char path[sizeof(((struct dirent *)0)->d_name) + 16];
    int child;
    snprintf(path, sizeof(path), "%s/children", thread);
    const int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file && fd >= 0) close(fd);
    while (file && fscanf(file, "%d", &child) == 1) visit(context, child);
    if (file) fclose(file);
}

/* Asks each process for its parent. */
static void visit_by_parent(DIR *proc, pid_t parent, rp_child_visit *visit, void *context) {
    for (const struct dirent *entry; (entry = readdir(proc));) {
        struct rp_process process;
        struct rp_status status;
        const pid_t pid = atoi(entry->d_name);
        if (pid > 0 && rp_process_find(pid, &process, &status) && status.parent == parent)
            visit(context, pid);
    }
}

void rp_process_visit_children(pid_t pid, rp_child_visit *visit, void *context) {
    char path[32];
    const bool lists = has_lists();
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *directory = opendir(lists ? path : "/proc");
    if (!directory) return;
    if (!lists) visit_by_parent(directory, pid, visit, context);
    for (const struct dirent *entry; lists && (entry = readdir(directory));)
        if (entry->d_name[0] != '.') visit_list(dirfd(directory), entry->d_name, visit, context);
    closedir(directory);
}

struct children {
    pid_t *list;
    int count, most;
};

static void note_child(void *context, pid_t child) {
    struct children *children = context;
    if (children->count < children->most) children->list[children->count++] = child;
}

int rp_process_children(pid_t *children, int most) {
    struct children found = {children, 0, most};
    if (!rp_proc_is_own()) return -1;
    rp_process_visit_children(getpid(), note_child, &found);
    return found.count;
}

bool rp_process_is_below(pid_t pid, pid_t ancestor) {
    struct rp_process process;
    struct rp_status status;
    for (int depth = 0; pid > 0 && depth < PARENTS_MAX; depth++) {
        if (pid == ancestor) return true;
        pid = rp_process_find(pid, &process, &status) ? status.parent : 0;
    }
    return false;
}

/* 1 if it is in this process's network namespace, 0 if it is not, -1 if that is unknown. */
static int compare_network(pid_t pid) {
    struct stat own, other;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    if (!rp_proc_is_own() || stat("/proc/self/ns/net", &own) || stat(path, &other)) return -1;
    return own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

bool rp_process_is_near(pid_t pid) {
    return compare_network(pid) != 0;
}

bool rp_process_is_surely_near(pid_t pid) {
    return compare_network(pid) == 1;
}

static bool find_thread(pid_t thread, struct rp_status *status) {
    struct rp_process process;
    return rp_proc_is_own() && rp_process_find(thread, &process, status);
}

pid_t rp_process_leader(pid_t thread) {
    struct rp_status status;
    return find_thread(thread, &status) ? status.leader : thread;
}

bool rp_process_user(pid_t pid, uid_t *user, gid_t *group) {
    struct rp_status status;
    if (!find_thread(pid, &status)) return false;
    *user = status.users[0];
    *group = status.groups[0];
    return true;
}

bool rp_process_creator(pid_t thread, uid_t *user, gid_t *group) {
    struct rp_status status;
    if (!find_thread(thread, &status)) return false;
    *user = status.users[3];
    *group = status.groups[3];
    return true;
}

/* Reads what status says behind a key that may be beyond what read_file() reads: behind the list of
 * groups. */
static bool find_value(FILE *file, const char *key, char value[128]) {
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof(line), file)) {
        found = !strncmp(line, key, strlen(key));
        if (found) sscanf(line + strlen(key), "%127s", value);
    }
    return found;
}

static bool read_value(pid_t pid, const char *key, char value[128]) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = rp_proc_is_own() ? fopen(path, "re") : NULL;
    const bool found = file && find_value(file, key, value);
    if (file) fclose(file);
    return found;
}

/* One of the numbers that a mask in hexadecimal digits holds, from 0. */
static bool has_bit(pid_t pid, const char *key, int number) {
    char digits[128] = "";
    if (!read_value(pid, key, digits)) return false;
    const size_t length = strlen(digits); /* MIPS has 128 signals; the last 16 digits are 64 */
    return strtoull(digits + (length > 16 ? length - 16 : 0), NULL, 16) >> number & 1;
}

bool rp_process_catches(pid_t pid, int number) {
    return has_bit(pid, "SigCgt:", number - 1);
}

bool rp_process_is_stuck(const struct rp_process *process) {
    const bool killed = has_bit(process->pid, "SigPnd:", SIGKILL - 1) ||
                        has_bit(process->pid, "ShdPnd:", SIGKILL - 1);
    return killed && rp_process_state(process) == 'D';
}

bool rp_process_has_capability(pid_t thread, int number) {
    return has_bit(thread, "CapEff:", number);
}

int rp_process_filters(pid_t pid) {
    char count[128] = "";
    return read_value(pid, "Seccomp_filters:", count) ? atoi(count) : -1;
}
