/* SPDX-License-Identifier: MIT */
/* The signals that whoever supervises others passes on, and the reaping of children. */
#ifndef RP_SIGNALS_H
#define RP_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum { RP_SIGNAL_NAME = 16 };

/* Who sent a signal. */
enum rp_origin {
    RP_FROM_PROCESS,  /* kill(2) */
    RP_FROM_TERMINAL, /* a terminal: to this process, as si_code SI_KERNEL says, or to the parent,
                         which passed it on */
    RP_TO_KILL,       /* the parent, which wants a copy to be killed */
};

/* Blocks HUP INT QUIT TERM USR1 USR2 WINCH and CONT, which are passed on, TTIN and TTOU, which
 * change the number of copies, and CHLD and ALRM, for rp_signals_wait(). Blocking TTOU also lets
 * messages reach a terminal with TOSTOP (termios(3)). Resets CHLD to its default: inherited as
 * ignored, it would never come. *before, unless NULL, becomes the mask as it was (sigprocmask(2)).
 */
void rp_signals_block(sigset_t *before);

/* Waits for one of those signals and returns its number (sigwaitinfo(2)). *from, unless NULL, tells
 * who sent it. */
int rp_signals_wait(enum rp_origin *from);

/* Opens a descriptor, close-on-exec, that is readable while one of those signals but ALRM is
 * pending (signalfd(2)). Returns -1 and errno. */
int rp_signals_open(void);

/* Reads one signal from that descriptor, without waiting. Returns its number, or 0 if none is
 * pending. Async-signal-safe. */
int rp_signals_read(int fd, enum rp_origin *from);

/* Sends a signal to a child, with its origin (sigqueue(3)). Beyond RLIMIT_SIGPENDING the signal
 * arrives without it. Async-signal-safe. */
void rp_signal_send(pid_t pid, int number, enum rp_origin from);

/* Sends a blocked signal to all other members of this process's group (kill(2)).
 * Async-signal-safe. */
void rp_signal_send_group(int number);

/* Whether the signal is one that is passed on. */
bool rp_signal_is_passed_on(int number);

/* Whether it asks for one copy more or less: TTIN or TTOU, as for gunicorn and uWSGI. */
bool rp_signal_counts_copies(int number);

/* Whether it asks a server to end: TERM, INT or QUIT. */
bool rp_signal_stops(int number);

/* Reaps one child that has ended, *how as in wait(2). Returns its PID; 0 if none has ended; -1 if
 * there is no child. Async-signal-safe. */
pid_t rp_reap(int *how);

/* The exit status that a shell reports: 128 plus the signal's number for a killed process
 * (wait(2)). */
int rp_exit_status(int how);

/* Writes the name of a signal that ends processes, without SIG, or "signal 40" (signal(7)). */
void rp_signal_name(int number, char name[RP_SIGNAL_NAME]);

#endif
