/* Copies and their keepers. Between the supervisor and each copy stands a keeper, a process that adopts
 * whatever the copy leaves behind: so a server that puts itself into the background still belongs to its
 * copy, gets its signals, and is waited for. */
#include "launch/supervise.h"

#include "base/die.h"
#include "inspect/process.h"
#include "seccomp/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GRACE = 5, /* seconds that copies have to end when the supervisor was killed */
    ORPHANED =
        SIGALRM, /* what a keeper gets when the supervisor dies, and when the grace is over */
    CHILDREN_MAX = 4096,
};

static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
                                SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
static sigset_t waited_for, mask_before;

int rp_exit_status(int how) {
    return WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
}

static void block_signals(void) {
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would never come */
    sigemptyset(&waited_for);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
        sigaddset(&waited_for, forwarded[i]);
    sigaddset(&waited_for, SIGCHLD);
    sigaddset(&waited_for, ORPHANED);
    sigprocmask(SIG_BLOCK, &waited_for, &mask_before);
}

static int next_signal(void) {
    int signal_number;
    do {
        signal_number = sigwaitinfo(&waited_for, NULL);
    } while (signal_number < 0 && errno == EINTR);
    return signal_number;
}

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
    char number[16];
    snprintf(number, sizeof(number), "%d", index < 0 ? 0 : index);
    if (index >= 0 && setenv("REUSEPORT_INSTANCE", number, 1)) rp_die("%s", strerror(errno));
    for (char **word = copies->arguments + 1; copies->replace && *word; word++)
        *word = replace_in(*word, copies->replace, number);
    const char *list = getenv("REUSEPORT_PORTS"), *why = NULL;
    if (copies->launch->method == RP_SECCOMP)
        why = rp_seccomp_enter(&copies->launch->config, list ? list : "");
    if (why) {
        rp_warn("%s: sharing by seccomp %s", copies->arguments[0], why);
        return RP_FAILED;
    }
    execv(copies->launch->path, copies->arguments);
    const int error = errno;
    rp_warn("%s: %s", copies->arguments[0], strerror(error));
    return error == ENOENT ? RP_NOT_FOUND : RP_CANNOT_RUN;
}

/* The keeper of one copy. */
struct keeper {
    const struct rp_copies *copies;
    int index;
    pid_t first;  /* the copy's first process, 0 once it has been reaped */
    int status;   /* of the first process, or of the last to end if that one ended with 0 */
    int stopping; /* the last of TERM, INT and QUIT that was passed on, or 0 */
    pid_t told[CHILDREN_MAX]; /* who has got that one */
    int told_count;
    bool orphaned; /* the supervisor is gone, and the copy has been sent TERM */
};

static bool was_told(const struct keeper *keeper, pid_t pid) {
    for (int i = 0; i < keeper->told_count; i++)
        if (keeper->told[i] == pid) return true;
    return false;
}

/* Sends the signal to the copy's processes that are children of the keeper; their own children are
 * theirs to tell. again: also to those who have got it before. */
static void pass_on(struct keeper *keeper, int signal_number, bool again) {
    static pid_t children[CHILDREN_MAX];
    int count = rp_process_children(children, CHILDREN_MAX);
    if (count < 0) { /* then the first process alone can be told */
        children[0] = keeper->first;
        count = keeper->first ? 1 : 0;
    }
    for (int i = 0; i < count; i++)
        if (again || !was_told(keeper, children[i])) kill(children[i], signal_number);
    memcpy(keeper->told, children, (size_t)count * sizeof(*children));
    keeper->told_count = count;
}

/* Reaps what has ended. Returns false if nothing of the copy is left. */
static bool reap(struct keeper *keeper) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == keeper->first || !keeper->first) {
            if (keeper->status == 0) keeper->status = rp_exit_status(status);
            if (pid == keeper->first) keeper->first = 0;
        }
        /* A starter may have died of the signal that its server never saw. */
        if (keeper->stopping) pass_on(keeper, keeper->stopping, false);
    }
    return pid == 0;
}

static void start_copy(struct keeper *keeper) {
    const pid_t self = getpid();
    keeper->first = fork();
    if (keeper->first < 0) rp_die("fork: %s", strerror(errno));
    if (keeper->first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != self) raise(SIGKILL);
        sigprocmask(SIG_SETMASK, &mask_before, NULL);
        _exit(rp_become_copy(keeper->copies, keeper->index));
    }
    if (keeper->copies->verbose)
        rp_warn("copy %d: started, pid %d", keeper->index, (int)keeper->first);
}

/* The supervisor has been killed: the copy is to end, too. */
static void end_copy(struct keeper *keeper) {
    const bool begun = keeper->orphaned;
    pass_on(keeper, begun ? SIGKILL : SIGTERM, true);
    keeper->stopping = begun ? SIGKILL : SIGTERM;
    keeper->orphaned = true;
    alarm(begun ? 1 : GRACE);
}

/* In a process group of its own, so that what a terminal sends comes from the supervisor alone. */
static void keep_copy(const struct rp_copies *copies, int index, pid_t supervisor) {
    static struct keeper keeper;
    keeper = (struct keeper){.copies = copies, .index = index};
    setpgid(0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, ORPHANED);
    if (getppid() != supervisor) _exit(RP_FAILED);
    if (isatty(STDIN_FILENO)) { /* a background group that reads it would be stopped */
        close(STDIN_FILENO);
        if (open("/dev/null", O_RDONLY) < 0) _exit(RP_FAILED);
    }
    start_copy(&keeper);
    for (;;) {
        const int signal_number = next_signal();
        if (signal_number == SIGCHLD) {
            if (!reap(&keeper)) break;
        } else if (signal_number == ORPHANED) {
            end_copy(&keeper);
        } else {
            pass_on(&keeper, signal_number, true);
            if (signal_number == SIGTERM || signal_number == SIGINT || signal_number == SIGQUIT)
                keeper.stopping = signal_number;
        }
    }
    if (copies->verbose) rp_warn("copy %d: ended with status %d", index, keeper.status);
    _exit(keeper.status);
}

static void send_all(const pid_t *keepers, int count, int signal_number) {
    for (int i = 0; i < count; i++)
        if (keepers[i] > 0) kill(keepers[i], signal_number);
}

/* What a killed keeper left behind has become ours. */
static void kill_orphans(const pid_t *keepers, int count) {
    static pid_t children[CHILDREN_MAX];
    const int found = rp_process_children(children, CHILDREN_MAX);
    for (int i = 0; i < found; i++) {
        bool is_keeper = false;
        for (int j = 0; j < count; j++) is_keeper = is_keeper || keepers[j] == children[i];
        if (!is_keeper) kill(children[i], SIGKILL);
    }
}

/* Reaps keepers, and whatever else PID 1 of a container is given. Returns how many keepers ended. Once
 * one has been killed (*bereaved), what it left may reach us later, when its own parents have ended. */
static int reap_keepers(pid_t *keepers, int count, int *first_failure, bool *bereaved) {
    int status, ended = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < count; i++) {
            if (keepers[i] != pid) continue;
            keepers[i] = 0;
            ended++;
            if (!*first_failure) *first_failure = rp_exit_status(status);
            *bereaved = *bereaved || WIFSIGNALED(status);
        }
    }
    if (*bereaved) kill_orphans(keepers, count);
    return ended;
}

int rp_supervise(const struct rp_copies *copies) {
    pid_t *keepers = calloc((size_t)copies->count, sizeof(*keepers));
    const pid_t self = getpid();
    int running = 0, first_failure = 0;
    bool bereaved = false;
    if (!keepers) rp_die("%s", strerror(errno));
    block_signals();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (; running < copies->count; running++) {
        keepers[running] = fork();
        if (keepers[running] == 0) keep_copy(copies, running, self);
        if (keepers[running] < 0) rp_die("fork: %s", strerror(errno)); /* the others see us die */
    }
    while (running > 0 || (bereaved && rp_process_children(&(pid_t){0}, 1) > 0)) {
        const int signal_number = next_signal();
        if (signal_number == SIGCHLD) {
            const int ended = reap_keepers(keepers, copies->count, &first_failure, &bereaved);
            if (ended && copies->stop_all) send_all(keepers, copies->count, SIGTERM);
            running -= ended;
        } else if (signal_number != ORPHANED) {
            send_all(keepers, copies->count, signal_number);
        }
    }
    free(keepers);
    return first_failure;
}
