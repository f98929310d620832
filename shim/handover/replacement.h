/* SPDX-License-Identifier: MIT */
/* A replacement under way: what its steps share, and how it is undone. */
#ifndef RP_REPLACEMENT_H
#define RP_REPLACEMENT_H

#include "handover/steward.h"
#include "handover/successor.h"
#include "launch/question.h"
#include "launch/ready.h"
#include "look/groups.h"

#include <poll.h>

/* What was asked for; times in seconds. */
struct rp_plan {
    struct rp_copies copies;
    struct rp_ready ready;
    int signal_number;
    long drain, start_timeout, stop_timeout;
    bool kill, strict, no_steer, allow_uncovered;
};

/* What is known of the new server's readiness. */
struct rp_readiness {
    struct rp_notify *notify; /* of each copy, or NULL */
    struct pollfd *sockets;   /* the same for poll(2) */
    bool busy;                /* the latest look read something */
    unsigned copies;
    struct rp_question question;
    unsigned asked; /* the copy that is asked; those before it are ready */
    double last;    /* when it was asked last, by rp_now(); 0: not yet */
};

struct rp_replacement {
    const struct rp_plan *plan;
    pid_t pid; /* of the old server */
    int pidfd; /* of the same process */
    struct rp_servers servers;
    struct rp_sockets held;  /* the old server's receivers (rp_is_receiver), as found at first */
    bool *adopted;           /* of held: whether SO_REUSEPORT was switched on */
    struct rp_groups groups; /* of held */
    enum rp_way way;         /* how the groups are to be steered */
    struct rp_look look;     /* the latest */
    struct rp_steward *steward;
    struct rp_successor successor;
    double started; /* when COMMAND was, by rp_now() */
    struct rp_readiness readiness;
};

/* Notes INT, TERM and HUP from now on, unless this command inherited them as ignored, as under
 * nohup(1); then the new server ignores them, too (sigaction(2)). Not async-signal-safe. */
void rp_watch_interrupts(void);

/* Whether one of them has arrived. Async-signal-safe. */
bool rp_is_interrupted(void);

/* None of the following is async-signal-safe, except rp_old_has_ended. */

/* Reads what COMMAND says of itself (READY=1), looks again at the ports and at sockets in those
 * states (rp_look_again), counts the groups' members, and steers the groups that have changed. */
void rp_replacement_look(struct rp_replacement *this, unsigned states);

/* Sleeps for a tick, or until COMMAND may have said that it is ready. */
void rp_replacement_tick(const struct rp_replacement *this);

/* Steers the groups that way from now on, as rp_groups_steer does. */
int rp_replacement_steer(struct rp_replacement *this, enum rp_way way, bool visit);

/* Makes that side's listeners invisible where that harms nobody (rp_groups_hide), right before
 * it is signalled. Requires the groups to be steered away from them until they have left. This
 * cannot be undone: an invisible listener stays so. */
void rp_replacement_hide(struct rp_replacement *this, enum rp_side side);

/* Whether the old server's first process has ended (pidfd_open(2)). */
bool rp_old_has_ended(const struct rp_replacement *this);

/* Looks again and switches SO_REUSEPORT on or off in the old server's connections. Those accepted
 * before its listeners had the option lack it, and block a bind unless both servers set
 * SO_REUSEADDR. Returns how many it changed. */
unsigned long rp_share_connections(struct rp_replacement *this, bool wanted);

/* Switches the option off wherever it was switched on. */
void rp_give_back(struct rp_replacement *this);

/* Sends connections back to the old server, ends COMMAND, restores all options, and prints why (as
 * printf(3) formats it) and which server runs.
 * If the old server has ended by itself, COMMAND is left running instead; a server that somebody
 * else started is left running anyway. Returns 125. */
int rp_undo(struct rp_replacement *this, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Undoes, quoting COMMAND's exit status; when: "" or what follows it. */
int rp_undo_lost(struct rp_replacement *this, const char *when);

#endif
