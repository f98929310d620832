/* SPDX-License-Identifier: MIT */
/* Stands for a server: writes a line "INSTANCE NAME" into a file for each signal it gets, and ends
 * with the status of its second argument on TERM.
 *
 *     signals FILE [STATUS [daemon|shy|graceful]]
 *
 * daemon: in the background, in a session of its own, while the starter ends with 0; shy: TERM is
 * noted and ignored; graceful: ends a while after TERM, 0.1 s longer for each higher instance, and
 * at once, with status 9, at a second TERM. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int file;

static void note(const char *what) {
    const char *instance = getenv("REUSEPORT_INSTANCE");
    char line[64];
    const int length = snprintf(line, sizeof(line), "%s %s\n", instance ? instance : "-", what);
    if (write(file, line, (size_t)length) != length) abort();
}

/* Waits for a second TERM as long as a graceful end takes. */
static int end_gracefully(int status) {
    const char *instance = getenv("REUSEPORT_INSTANCE");
    const int tenths = 2 + (instance ? atoi(instance) : 0);
    const struct timespec time = {tenths / 10, tenths % 10 * 100000000L};
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    if (sigtimedwait(&term, NULL, &time) < 0) return status;
    note("TERM");
    return 9;
}

int main(int argc, char **argv) {
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    static const char *const names[] = {"HUP",  "INT",  "QUIT",  "TERM",
                                        "USR1", "USR2", "WINCH", "CONT"};
    const char *mode = argc > 3 ? argv[3] : "";
    sigset_t set;
    if (argc < 2) return 2;
    file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return 2;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (!strcmp(mode, "daemon") && (fork() || setsid() < 0 || fork())) _exit(0);
    note("started");
    for (;;) {
        const int number = sigwaitinfo(&set, NULL);
        for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
            if (signals[i] == number) note(names[i]);
        if (number != SIGTERM || !strcmp(mode, "shy")) continue;
        const int status = argc > 2 ? atoi(argv[2]) : 0;
        return strcmp(mode, "graceful") != 0 ? status : end_gracefully(status);
    }
}
