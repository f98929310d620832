/* SPDX-License-Identifier: MIT */
/* reuseport replace --dry-run. */
#ifndef RP_REHEARSE_H
#define RP_REHEARSE_H

#include "command/replace_options.h"

/* After all checks that replace makes before it changes anything: makes those that it makes while
 * it does, as far as looking suffices, and prints what it would do. Changes nothing. Returns 0, or
 * 125 if standard output cannot be written; exits with 125 if the replacement would be refused. Not
 * async-signal-safe. */
int rp_rehearse(struct rp_replacement *this, const struct rp_replace_options *options);

#endif
