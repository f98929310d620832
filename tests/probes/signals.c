/* Stands for a server: writes a line "INSTANCE NAME" into a file for each signal it gets, and ends with
 * the status of its second argument on TERM.
 *
 *     signals FILE [STATUS [daemon|shy]]     daemon: in the background, in a session of its own, while
 *                                            the starter ends with 0; shy: TERM is noted and ignored */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file;

static void note(const char *what) {
    const char *instance = getenv("REUSEPORT_INSTANCE");
    char line[64];
    const int length = snprintf(line, sizeof(line), "%s %s\n", instance ? instance : "-", what);
    if (write(file, line, (size_t)length) != length) abort();
}

int main(int argc, char **argv) {
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    static const char *const names[] = {"HUP",  "INT",  "QUIT",  "TERM",
                                        "USR1", "USR2", "WINCH", "CONT"};
    const bool daemon_mode = argc > 3 && !strcmp(argv[3], "daemon");
    const bool shy = argc > 3 && !strcmp(argv[3], "shy");
    sigset_t set;
    if (argc < 2) return 2;
    file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return 2;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (daemon_mode && (fork() || setsid() < 0 || fork())) _exit(0);
    note("started");
    for (;;) {
        const int number = sigwaitinfo(&set, NULL);
        for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
            if (signals[i] == number) note(names[i]);
        if (number == SIGTERM && !shy) return argc > 2 ? atoi(argv[2]) : 0;
    }
}
