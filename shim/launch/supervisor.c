/* SPDX-License-Identifier: MIT */
/* Starts a keeper for each copy, tells them all what it is told, and ends after the last. */
#include "launch/supervisor.h"

#include "base/die.h"
#include "inspect/process.h"
#include "launch/apart.h"
#include "launch/keeper.h"
#include "launch/signals.h"
#include "launch/unbound.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MAX = 8192 }; /* as many keepers as there may be, and as many others */

struct supervisor {
    const struct rp_copies *copies;
    pid_t *keepers; /* by the copy's number; 0 once it has ended */
    int running, first_failure;
    bool stopping; /* the copies have been told to end */
    bool bereaved; /* a keeper was killed: what it kept may become ours at any time */
};

static void send_all(struct supervisor *this, int number, bool terminal) {
    this->stopping = this->stopping || rp_signal_stops(number);
    for (int i = 0; i < this->copies->count; i++)
        if (this->keepers[i] > 0) rp_signal_send(this->keepers[i], number, terminal);
}

static bool is_keeper(const struct supervisor *this, pid_t pid) {
    for (int i = 0; i < this->copies->count; i++)
        if (this->keepers[i] == pid) return true;
    return false;
}

/* Kills what killed keepers have left to us, as nobody else's children can be ours. Returns whether
 * to wait for any of it: not for a process of a user whom we may not kill. */
static bool kill_orphans(const struct supervisor *this) {
    static pid_t children[CHILDREN_MAX];
    const int found = rp_process_children(children, CHILDREN_MAX);
    bool wait = false;
    for (int i = 0; i < found; i++)
        if (!is_keeper(this, children[i])) wait = !kill(children[i], SIGKILL) || wait;
    return wait;
}

/* Which its keeper could not tell. */
static void tell_loss(const struct supervisor *this, int number, int how) {
    char name[RP_SIGNAL_NAME];
    rp_signal_name(WTERMSIG(how), name);
    if (this->copies->verbose || !this->copies->launch->quiet)
        rp_warn("copy %d: its keeper was killed by %s; what is left of it is killed", number, name);
}

static void note_end(struct supervisor *this, pid_t pid, int how) {
    for (int i = 0; i < this->copies->count; i++) {
        if (this->keepers[i] != pid) continue;
        this->keepers[i] = 0;
        this->running--;
        if (!this->first_failure) this->first_failure = rp_exit_status(how);
        this->bereaved = this->bereaved || WIFSIGNALED(how);
        if (WIFSIGNALED(how)) tell_loss(this, i, how);
        if (this->copies->stop_all && !this->stopping) send_all(this, SIGTERM, false);
    }
}

/* Reaps keepers and what they left behind. Returns whether to go on. */
static bool reap(struct supervisor *this) {
    pid_t pid;
    int how;
    while ((pid = rp_reap(&how)) > 0) note_end(this, pid, how);
    const bool orphans = this->bereaved && kill_orphans(this);
    return this->running > 0 || orphans;
}

static void start_keepers(struct supervisor *this, const sigset_t *mask) {
    const pid_t self = getpid();
    for (; this->running < this->copies->count; this->running++) {
        const pid_t pid = fork();
        if (pid < 0) rp_die("fork: %s", strerror(errno)); /* the others see us die */
        if (pid == 0) rp_keep_copy(this->copies, this->running, self, mask);
        this->keepers[this->running] = pid;
    }
}

int rp_supervise(const struct rp_copies *copies) {
    struct supervisor this = {.copies = copies};
    bool left = true;
    int status;
    sigset_t mask;
    this.keepers = calloc((size_t)copies->count, sizeof(*this.keepers));
    if (!this.keepers) rp_die("%s", strerror(errno));
    rp_signals_block(&mask);
    if (rp_has_strangers() && !rp_go_apart(&status)) {
        free(this.keepers);
        return status;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    start_keepers(&this, &mask);
    if (copies->verbose || !copies->launch->quiet) alarm(RP_BIND_TIME);
    while (left) {
        bool terminal;
        const int number = rp_signals_wait(&terminal);
        if (number == SIGCHLD)
            left = reap(&this);
        else if (number == SIGALRM && !this.stopping)
            rp_tell_unbound(copies);
        else if (rp_signal_is_passed_on(number))
            send_all(&this, number, terminal);
    }
    free(this.keepers);
    return this.first_failure;
}
