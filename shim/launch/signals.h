/* SPDX-License-Identifier: MIT */
/* The signals that whoever supervises others passes on, and the reaping of children. */
#ifndef RP_SIGNALS_H
#define RP_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum { RP_SIGNAL_NAME = 16 };

/* Blocks HUP INT QUIT TERM USR1 USR2 WINCH and CONT, which are passed on, and CHLD and ALRM, for
 * rp_signals_wait(), and TTOU, so that messages reach a terminal with TOSTOP (termios(3)). Resets
 * CHLD to its default: inherited as ignored, it would never come. *before, unless NULL, becomes the
 * mask as it was (sigprocmask(2)). */
void rp_signals_block(sigset_t *before);

/* Waits for one of those signals and returns its number (sigwaitinfo(2)). *terminal, unless NULL,
 * tells whether a terminal sent it: to this process, as si_code SI_KERNEL says, or to the parent,
 * which passed it on. */
int rp_signals_wait(bool *terminal);

/* Sends a signal to a child, with what rp_signals_wait() told of its origin (sigqueue(3)). Beyond
 * RLIMIT_SIGPENDING the signal arrives without its origin. Async-signal-safe. */
void rp_signal_send(pid_t pid, int number, bool terminal);

/* Sends a blocked signal to all other members of this process's group (kill(2)).
 * Async-signal-safe. */
void rp_signal_send_group(int number);

/* Whether the signal is one that is passed on. */
bool rp_signal_is_passed_on(int number);

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
