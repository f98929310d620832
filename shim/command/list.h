/* SPDX-License-Identifier: MIT */
/* Which sockets reuseport list shows, and what it prints about them. None of it is
 * async-signal-safe; what allocates exits with 125 if memory runs out. */
#ifndef RP_COMMAND_LIST_H
#define RP_COMMAND_LIST_H

#include "inspect/holders.h"

#include <stdio.h>

struct rp_selection {
    struct rp_wanted *ports; /* no port twice */
    size_t count;
    bool named; /* on the command line; if not, ports are those that somebody shares */
};

/* Adds a port, or protocols to one that has been added. */
void rp_selection_add(struct rp_selection *selection, const struct rp_wanted *wanted);

/* Stores the selected sockets in an empty list, sorted by rp_sockets_sort(), with owners and
 * options. Unless ports are named, selects those that are shared now. */
void rp_selection_find(struct rp_selection *selection, struct rp_sockets *sockets);

/* "tcp" or "udp". */
const char *rp_proto_name(const struct rp_socket *socket);

/* The index behind the last socket of start's port and protocol. */
size_t rp_group_end(const struct rp_sockets *sockets, size_t start);

/* Both tables begin with PROTO, ADDRESS, INTERFACE, which is left out if no socket is bound to
 * one, and PORT. */
enum { RP_INTERFACE = 2, RP_COLUMNS = 10 };

struct rp_row {
    char cells[RP_COLUMNS][RP_NAME_SIZE];
};

/* Fills the first four cells. */
void rp_row_place(struct rp_row *row, const struct rp_socket *socket);

/* Fills the cells PID and COMMAND, from that one on. */
void rp_row_owner(struct rp_row *row, int cell, const struct rp_socket *socket);

/* A table: rows, the first of which is the head, of so many cells. */
struct rp_table {
    struct rp_row *rows;
    size_t count;
    int columns;
    unsigned right; /* bits of columns that are aligned to the right */
    bool interfaces;
};

/* The column's width, 0 if it is left out. */
int rp_table_width(const struct rp_table *table, int column);

void rp_table_print(FILE *out, const struct rp_table *table);

/* Prints a row for each socket to stdout. */
void rp_list_table(const struct rp_sockets *sockets);

/* Prints an object, without its closing brace; reuseport(1) describes the keys. */
void rp_json_object(FILE *out, const struct rp_socket *socket);

/* Prints an array with an object for each socket to stdout. */
void rp_list_json(const struct rp_sockets *sockets);

/* Prints a line for each finding to stdout, with the remedy. */
void rp_list_hints(const struct rp_sockets *sockets);

#endif
