/* SPDX-License-Identifier: MIT */
/* Warnings about what could lose a connection or disturb somebody, as far as it is known before
 * anything has been changed. None of these functions is async-signal-safe. */
#ifndef RP_DOUBTS_H
#define RP_DOUBTS_H

#include "handover/replacement.h"

/* Prints a warning, formatted as by printf(3); if the plan is strict, exits with 125 after it. */
void rp_doubt(const struct rp_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Exits with 125, naming who has the process's lock, unless that is in another PID namespace. */
void rp_yield(const struct rp_process *process) __attribute__((noreturn));

/* Takes the old server's lock (rp_lock). Exits with 125 if another command has it, or if the old
 * server has ended; if the lock cannot be had for another reason, that is a doubt. */
void rp_doubt_alone(const struct rp_replacement *this);

/* Doubts that steering is harmless if a process of either server holds a BPF program that it may
 * have attached to a group (rp_process_program), as steering replaces it. One whose descriptor is
 * closed, or a classic one, cannot be seen. With --no-steer says what is left of the guarantees. */
void rp_doubt_steering(const struct rp_replacement *this);

#endif
