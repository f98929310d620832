/* SPDX-License-Identifier: MIT */
/* A command line that is asked whether a new server is ready. */
#ifndef RP_QUESTION_H
#define RP_QUESTION_H

#include <stdbool.h>
#include <sys/types.h>

struct rp_question {
    pid_t pid;  /* of its keeper, a child of this process; 0: nothing is being asked */
    int status; /* what the last one ended with, as a shell has it; -1: none has ended */
};

/* What is asked, and of whom. */
struct rp_asked {
    const char *line; /* for sh -c */
    pid_t server;     /* REUSEPORT_PID */
    const char *from; /* REUSEPORT_FROM, or NULL: unset */
};

/* Notes the environment that questions are asked with: to be called before it is changed for
 * COMMAND. Exits with 125 if memory runs out. Not async-signal-safe, like the others. */
void rp_question_note_environment(void);

/* Runs the line, its output on this process's stderr, its input empty, in a process group of its
 * own, below a keeper that adopts and kills what it leaves behind, and ends it when this process
 * ends. wait(2) does not show the keeper: it is a child with another signal than CHLD (clone(2),
 * __WCLONE). Not to be called while one is running. Returns 0 or the errno of clone(2). */
int rp_question_ask(struct rp_question *question, const struct rp_asked *asked);

/* Whether it still runs. If not, its status is known. */
bool rp_question_runs(struct rp_question *question);

/* Ends it: TERM, and KILL a second later. Returns when nothing of it is left, or after 3 seconds.
 */
void rp_question_end(struct rp_question *question);

#endif
