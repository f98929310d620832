/* SPDX-License-Identifier: MIT */
/* inspect/process: what cannot be known of a process is said to be unknown, and what is known of
 * this one is right. Prints what is not as it should be, and how many checks were made. */
#include "inspect/process.h"

#include "inspect/environ.h"
#include "inspect/rights.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned checks, failures;

static void check(bool good, const char *what, const char *whose) {
    checks++;
    failures += !good;
    if (!good) printf("wrong: %s of %s\n", what, whose);
}

static int descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Runs a check in a child, in a namespace of its own, where that may be made. */
static void check_apart(int kind, void (*checks_there)(pid_t outer)) {
    const pid_t outer = getpid();
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (!child) {
        if (unshare(kind)) _exit(0);
        const pid_t inner = (kind & CLONE_NEWPID) ? fork() : 0;
        failures = 0;
        if (!inner) checks_there(outer);
        if (inner) waitpid(inner, &status, 0);
        fflush(stdout);
        _exit(inner ? status != 0 : failures > 0);
    }
    waitpid(child, &status, 0);
    check(!status, "see above", "apart");
}

static void check_other_network(pid_t outer) {
    check(!rp_process_is_near(outer) && !rp_process_is_surely_near(outer), "near",
          "in another network");
    check(rp_process_is_surely_near(getpid()), "not near", "itself");
}

/* PIDs are this namespace's, and /proc is the outer one's: it tells of nobody. */
static void check_foreign_proc(pid_t outer) {
    pid_t children[8];
    uid_t user;
    gid_t group;
    (void)outer;
    check(rp_process_is_near(1) && !rp_process_is_surely_near(1), "surely near or far", "another");
    check(!rp_process_user(1, &user, &group), "user", "another");
    check(!rp_process_catches(1, SIGTERM) && rp_process_filters(1) == -1, "mask", "another");
    check(rp_process_children(children, 8) == -1, "children", "another");
}

/* Nothing is known of one that has ended. */
static void check_ended(void) {
    uid_t user;
    gid_t group;
    const pid_t child = fork();
    if (!child) _exit(0);
    waitpid(child, NULL, 0);
    check(!rp_process_user(child, &user, &group), "user", "an ended");
    check(!rp_process_creator(child, &user, &group), "creator", "an ended");
    check(rp_process_leader(child) == child, "leader", "an ended");
    check(rp_process_is_near(child) && !rp_process_is_surely_near(child), "surely near or far",
          "an ended");
    check(rp_process_filters(child) == -1, "filters", "an ended");
}

static void check_self(void) {
    uid_t user = (uid_t)-2;
    gid_t group = (gid_t)-2;
    check(rp_process_user(getpid(), &user, &group) && user == getuid() && group == getgid(), "user",
          "itself");
    check(rp_process_is_surely_near(getpid()), "not near", "itself");
    for (int i = 0; i < 40; i++)
        check(rp_process_has_capability(getpid(), i) == rp_has_capability(i), "capability",
              "itself");
}

/* What stands in a file, and what a user without an entry is called. */
static void check_texts(void) {
    struct rp_process self;
    char text[RP_NAME_SIZE];
    size_t length = 0;
    check(!strcmp(rp_user_name(0, text), "root"), "name", "a user");
    check(!strcmp(rp_user_name(4000000000U, text), "4000000000"), "name", "an unknown user");
    check(rp_process_find(getpid(), &self, NULL), "process", "itself");
    check(!strcmp(rp_process_name(&self, text), "unknown"), "name", "itself");
    check(rp_process_state(&self) == 'R', "state", "itself");
    const int low = rp_process_open(getpid()), directory = fcntl(low, F_DUPFD_CLOEXEC, low + 1);
    close(low); /* it is the environment's then */
    char *environment = rp_environ_read(directory, &length);
    check(environment && !environment[length], "environment", "itself");
    free(environment);
    close(directory);
}

int main(void) {
    close(STDIN_FILENO); /* so that 0 is a descriptor like others */
    const int before = descriptors();
    check_self();
    check_texts();
    check_ended();
    check(descriptors() == before, "descriptors", "what was read");
    check_apart(CLONE_NEWNET, check_other_network);
    check_apart(CLONE_NEWPID, check_foreign_proc);
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
