/* SPDX-License-Identifier: MIT */
/* What could cost a connection or trouble somebody, as far as it is known before anything has been
 * changed. */
#ifndef RP_DOUBTS_H
#define RP_DOUBTS_H

#include "handover/replacement.h"

/* Warns of something; with --strict, exits with 125 instead. format as in printf(3). */
void rp_doubt(const struct rp_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes sure that nobody else replaces the old server meanwhile, or exits with 125. */
void rp_doubt_alone(const struct rp_replacement *this);

/* Doubts whether steering displaces a program that the old server attached to a group itself, if a
 * process of it holds one (rp_process_program); one whose descriptor it has closed, or a classic
 * one, cannot be seen. With --no-steer says what is left of the guarantees. */
void rp_doubt_steering(const struct rp_replacement *this);

#endif
