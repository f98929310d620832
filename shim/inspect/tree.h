/* SPDX-License-Identifier: MIT */
/* A process and those seen to descend from it. */
#ifndef RP_TREE_H
#define RP_TREE_H

#include "inspect/process.h"

struct rp_tree {
    struct rp_process *members; /* the root first, while it exists */
    size_t count;
};

/* Adds the root to an empty tree. Returns false if there is no such process. Exits with 125 if
 * memory runs out, as rp_tree_grow does. */
bool rp_tree_plant(struct rp_tree *tree, pid_t root);

/* Drops members that have ended and adds the descendants of the others. A member stays one when its
 * parent ends. */
void rp_tree_grow(struct rp_tree *tree);

bool rp_tree_has(const struct rp_tree *tree, const struct rp_process *process);

void rp_tree_free(struct rp_tree *tree);

#endif
