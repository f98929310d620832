/* SPDX-License-Identifier: MIT */
/* CPU time that a search may use: it runs inside a program's bind(). Async-signal-safe; may change
 * errno. */
#ifndef RP_BUDGET_H
#define RP_BUDGET_H

#include "core/rare.h"

#include <stdbool.h>
#include <stdint.h>

struct rp_budget {
    uint32_t start, most; /* microseconds */
    uint32_t unseen;      /* since the clock was looked at, roughly */
    bool spent;
};

/* Starts the clock, CLOCK_THREAD_CPUTIME_ID (clock_gettime(2)); where a sandbox forbids it, all is
 * spent at once. */
RP_RARE void rp_budget_start(struct rp_budget *budget, uint32_t microseconds);

/* Whether some is left after a step that took about so long. Looks at the clock, which takes some
 * time itself, only after steps of more than 20 microseconds together. */
RP_RARE bool rp_budget_left(struct rp_budget *budget, uint32_t microseconds);

#endif
