/* SPDX-License-Identifier: MIT */
/* inspect/process and inspect/tree against processes with names that would have them be others.
 * Prints what is not as it should be, and how many checks were made. */
#include "inspect/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a user may call his process (prctl(2), PR_SET_NAME): 15 bytes. %d stands for a PID. */
static const char *const names[] = {
    "plain",
    "",
    " ",
    "two words",
    "\n",
    "\n\n\n\n",
    "a\nb",
    ") S %d",
    "x) S %d\n",
    "x) Z 1 1 1 1 1 ",
    "))))))))))))))",
    "((((((((((((((",
    "Tgid:\t%d",
    "\nTgid:\t%d",
    "\nPPid:\t%d",
    "\nUid:\t1 1 1 1",
    "\nState:\tZ",
    "\nSigCgt:\tfffff",
    "\nSeccomp_filter",
    "\nSigCgt:\tfffff",
    "Seccomp_filters",
    "\\nPPid:\t1",
    "\\",
    "\\\\\\\\\\\\\\\\\\\\\\\\\\\\",
    "\t\t\t",
    "\x1b[31m\x1b]0;x\a",
    "\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0d\x0e\x0f\x10",
    "\x7f\x80\xff\xc3\xa4\xe2\x82\xac",
    "%%s%%n%%d",
    "\"quoted\"",
    "fifteen bytes!!",
    "sixteen bytes!!!",
};

static unsigned checks, failures;
static bool lists = true;
static const char *false_list; /* a file that is read instead of /proc/PID/task/TID/children */

/* Instead of libc's: a kernel without CONFIG_PROC_CHILDREN. */
int access(const char *path, int mode) {
    (void)mode;
    if (lists || !strstr(path, "children")) return 0;
    errno = ENOENT;
    return -1;
}

/* Instead of libc's: children that have ended, and whose PIDs are others' now. */
int openat(int directory, const char *path, int flags, ...) {
    const bool lie = false_list && strstr(path, "/children");
    return (int)syscall(SYS_openat, directory, lie ? false_list : path, flags, 0);
}

static void check(bool good, const char *what, const char *name) {
    checks++;
    if (good) return;
    failures++;
    printf("%s: of a process called \"%s\"\n", what, name);
}

/* A child that waits, once it has a child of its own that does; their PIDs. */
static pid_t start_two(const char *name, pid_t *grandchild) {
    int ready[2];
    if (pipe(ready)) exit(2);
    const pid_t child = fork();
    if (child == 0) {
        const pid_t own = fork();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, name);
        if (own && write(ready[1], &own, sizeof(own)) != sizeof(own)) _exit(2);
        for (;;) pause();
    }
    if (child < 0 || read(ready[0], grandchild, sizeof(*grandchild)) != sizeof(*grandchild))
        exit(2);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void end(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool is_printable(const char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~') return false;
    return true;
}

static void check_process(pid_t pid, const char *name) {
    struct rp_process process, other;
    struct rp_status status;
    char shown[RP_NAME_SIZE];
    check(rp_process_find(pid, &process, &status), "not found", name);
    check(status.parent == getpid(), "parent", name);
    check(status.leader == pid, "leader", name);
    check(status.users[0] == getuid() && status.users[3] == geteuid(), "users", name);
    check(status.groups[0] == getgid(), "groups", name);
    check(rp_process_exists(&process), "does not exist", name);
    check(rp_process_filters(pid) == rp_process_filters(getpid()), "filters", name);
    check(!rp_process_catches(pid, SIGTERM), "catches TERM", name);
    other = process;
    other.start++;
    check(!rp_process_exists(&other), "another start, and it exists", name);
    check(!strcmp(rp_process_name(&other, shown), "?"), "another start, and it has a name", name);
    check(!rp_process_state(&other), "another start, and it has a state", name);
    rp_process_name(&process, shown);
    check(is_printable(shown), "a name that is not printable", name);
    check(strlen(shown) == (strlen(name) > 15 ? 15 : strlen(name)) || !*name, "a name cut short",
          name);
    kill(pid, SIGSTOP);
    waitpid(pid, NULL, WUNTRACED);
    check(rp_process_state(&process) == 'T', "state", name);
    kill(pid, SIGCONT);
}

/* The start of a process, of which it is known that its name is harmless. */
static unsigned long long plain_start(pid_t pid) {
    char path[32];
    unsigned long long start = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file,
                        "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
                        "%*d %*d %*d %*d %llu",
                        &start) != 1)
        exit(2);
    fclose(file);
    return start;
}

static void handle(int number) {
    (void)number;
}

static void check_start(void) {
    struct rp_process process;
    prctl(PR_SET_NAME, "plain");
    const int filters = rp_process_filters(getpid());
    const unsigned long long start = plain_start(getpid());
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        prctl(PR_SET_NAME, names[i]);
        check(rp_process_find(getpid(), &process, NULL) && process.start == start, "start",
              names[i]);
        check(!rp_process_catches(getpid(), SIGTERM), "catches", names[i]);
        check(filters >= 0 && rp_process_filters(getpid()) == filters, "filters", names[i]);
    }
    prctl(PR_SET_NAME, "plain");
    signal(SIGTERM, handle);
    check(rp_process_catches(getpid(), SIGTERM), "does not catch", "plain");
    signal(SIGTERM, SIG_DFL);
}

static bool has(const struct rp_tree *tree, pid_t pid) {
    struct rp_process process;
    return rp_process_find(pid, &process, NULL) && rp_tree_has(tree, &process);
}

static void check_tree(pid_t child, pid_t grandchild, pid_t stranger, const char *name) {
    struct rp_tree tree = {NULL, 0}, others = {NULL, 0};
    struct rp_process process;
    check(rp_tree_plant(&tree, child), "cannot be planted", name);
    check(rp_tree_plant(&others, stranger), "cannot be planted", "a stranger");
    check(!has(&tree, grandchild), "in the tree before it grew", name);
    rp_tree_grow(&tree);
    rp_tree_grow(&others);
    check(has(&tree, child) && has(&tree, grandchild), "not in its tree", name);
    check(!has(&tree, stranger) && !has(&tree, getpid()), "a stranger in the tree", name);
    check(!has(&others, child) && !has(&others, grandchild), "in a stranger's tree", name);
    check(tree.count == 2, "more in the tree", name);
    check(rp_process_is_below(grandchild, child) && rp_process_is_below(grandchild, getpid()),
          "not below its parents", name);
    check(!rp_process_is_below(grandchild, stranger) && !rp_process_is_below(child, stranger),
          "below a stranger", name);
    rp_process_find(child, &process, NULL);
    process.start++;
    check(!rp_tree_has(&tree, &process), "another with its PID in the tree", name);
    end(child); /* the grandchild is somebody else's child now, or ours */
    rp_tree_grow(&tree);
    check(tree.count == 1 && has(&tree, grandchild), "an orphan no longer in its tree", name);
    kill(grandchild, SIGKILL);
    rp_tree_free(&tree);
    rp_tree_free(&others);
}

/* The list of a child's children names somebody else. */
static void check_reuse(pid_t stranger) {
    struct rp_tree tree = {NULL, 0};
    char path[] = "/tmp/reuseport-XXXXXX";
    pid_t grandchild;
    const pid_t child = start_two("plain", &grandchild);
    const int fd = mkstemp(path);
    if (fd < 0 || dprintf(fd, "%d ", (int)stranger) < 0) exit(2);
    close(fd);
    false_list = path;
    rp_tree_plant(&tree, child);
    rp_tree_grow(&tree);
    false_list = NULL;
    check(tree.count == 1, "a stranger with a child's PID in the tree", "plain");
    unlink(path);
    end(child);
    kill(grandchild, SIGKILL);
    rp_tree_free(&tree);
}

static void check_name(const char *pattern, pid_t stranger) {
    char name[64];
    pid_t grandchild, children[8];
    snprintf(name, sizeof(name), pattern, (int)stranger);
    const pid_t child = start_two(name, &grandchild);
    check_process(child, name);
    bool found = false;
    const int count = rp_process_children(children, 8);
    for (int i = 0; i < count; i++) found = found || children[i] == child;
    check(found && count == 2, "not among the children", name);
    check_tree(child, grandchild, stranger, name);
}

int main(void) {
    pid_t below;
    check_start();
    const pid_t stranger = start_two("stranger", &below);
    for (int round = 0; round < 2; round++, lists = false)
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) check_name(names[i], stranger);
    lists = true;
    check_reuse(stranger);
    kill(below, SIGKILL);
    end(stranger);
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
