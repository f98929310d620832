/* SPDX-License-Identifier: MIT */
/* A thread's CPU time, in microseconds that may wrap: differences count. */
#include "core/budget.h"

#include "core/kernel.h"

#include <unistd.h>

enum { THREAD_CPU_TIME = 3 /* CLOCK_THREAD_CPUTIME_ID */, UNSEEN_MOST = 20 };

static bool look(uint32_t *microseconds) {
    struct {
        long seconds, nanoseconds;
    } time;
    if (syscall(SYS_clock_gettime, THREAD_CPU_TIME, &time)) return false;
    *microseconds = (uint32_t)time.seconds * 1000000 + (uint32_t)time.nanoseconds / 1000;
    return true;
}

void rp_budget_start(struct rp_budget *budget, uint32_t microseconds) {
    budget->most = microseconds;
    budget->unseen = 0;
    budget->spent = !look(&budget->start);
}

bool rp_budget_left(struct rp_budget *budget, uint32_t microseconds) {
    uint32_t now = 0;
    budget->unseen += microseconds;
    if (budget->unseen > UNSEEN_MOST && !budget->spent) {
        budget->unseen = 0;
        budget->spent = !look(&now) || now - budget->start >= budget->most;
    }
    return !budget->spent;
}
