/* A replacement under way: what its steps share, and how it is undone. */
#ifndef RP_REPLACEMENT_H
#define RP_REPLACEMENT_H

#include "handover/groups.h"
#include "handover/successor.h"

/* What was asked for; times in seconds. */
struct rp_plan {
    struct rp_copies copies;
    int signal_number;
    long drain, start_timeout, stop_timeout;
    bool kill, strict;
};

struct rp_replacement {
    const struct rp_plan *plan;
    pid_t pid; /* of the old server */
    int pidfd; /* of the same, for as long as this command runs */
    struct rp_servers servers;
    struct rp_sockets held;  /* what the old server had when it was found */
    bool *adopted;           /* of held: SO_REUSEPORT was switched on here */
    struct rp_groups groups; /* of held */
    struct rp_look look;     /* the latest */
    struct rp_successor successor;
};

/* From now on INT, TERM and HUP are noted, but for those that this command was started with
 * ignored, as by nohup(1): those the new server ignores, too. */
void rp_watch_interrupts(void);
bool rp_is_interrupted(void);

/* Looks anew at the ports, and at TCP sockets in those states, and counts the groups' members. */
void rp_replacement_look(struct rp_replacement *this, unsigned states);

bool rp_old_has_ended(const struct rp_replacement *this);

/* Switches SO_REUSEPORT on or off in the old server's connections, looking anew. Those accepted
 * before its listeners had the option lack it, and are in the way of a bind unless both servers set
 * SO_REUSEADDR. Returns in how many it stood otherwise. */
unsigned long rp_share_connections(struct rp_replacement *this, bool wanted);

/* Switches off what was switched on. */
void rp_give_back(struct rp_replacement *this);

/* Ends COMMAND, puts everything back, and says why, in printf(3)'s formats, and how things stand.
 * If the old server has ended by itself, COMMAND is all that is left, and is left running. Returns
 * 125. */
int rp_undo(struct rp_replacement *this, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same because COMMAND has ended; when: "" or words that follow its status. */
int rp_undo_lost(struct rp_replacement *this, const char *when);

#endif
