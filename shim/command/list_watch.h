/* SPDX-License-Identifier: MIT */
/* reuseport list --watch: what it sees of the sockets each second, and how it shows that. None of
 * it is async-signal-safe; what allocates exits with 125 if memory runs out. */
#ifndef RP_COMMAND_LIST_WATCH_H
#define RP_COMMAND_LIST_WATCH_H

#include "command/list.h"

/* What is under way at a socket. */
struct rp_load {
    enum rp_answer stopped; /* all processes that hold it are */
    long connections; /* TCP connections that its processes have accepted from it; -1: unknown, or
                         it does not listen */
    long total;       /* of its port that any process has, so its share is connections / total */
};

struct rp_watch {
    struct rp_selection selection;
    struct rp_sockets sockets; /* sorted by rp_sockets_sort() */
    struct rp_load *loads;     /* of each socket */
    double next_search;        /* by rp_now(); 0 at first */
};

/* Looks at the sockets. Reads the descriptors of the processes that had one at the last look, and
 * of their children, alone; searches all as rp_selection_find() does at first, if a socket has an
 * unknown owner, and every 10 seconds, for what else changes: options, and which ports are shared.
 */
void rp_watch_look(struct rp_watch *watch);

/* Processes that may have sockets of the watched ports. */
struct rp_relative {
    struct rp_process process,
        parent; /* parent: itself, unless it is the child of one that has a socket */
};

struct rp_family {
    struct rp_relative *list; /* sorted by PID */
    size_t count;
};

/* Counts the loads of listed sockets, sorted by rp_sockets_sort(), with owners. connections: TCP
 * sockets with owners, sorted by inode. A connection belongs to the listener for its address that
 * its owner has or, if it has none, its owner's parent, by family; if there are several such
 * listeners on one address, their connections are unknown. Returns an array to free(3). */
struct rp_load *rp_loads_count(const struct rp_sockets *listed,
                               const struct rp_sockets *connections,
                               const struct rp_family *family);

/* The text that shows a look: a table, or a JSON object in one line. width: of the terminal, 0 if
 * it goes elsewhere. Free it by free(3). */
char *rp_watch_table(const struct rp_watch *watch, int width);
char *rp_watch_json(const struct rp_watch *watch);

/* Watches, and exits: with 0 when INT, TERM or HUP arrives or stdout's reader goes away, with 125
 * if it cannot write. */
void rp_list_watch(const struct rp_selection *selection, bool json) __attribute__((noreturn));

#endif
