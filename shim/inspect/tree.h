/* A process and its descendants, as they were seen to descend from it. */
#ifndef RP_TREE_H
#define RP_TREE_H

#include "inspect/process.h"

struct rp_tree {
    struct rp_process *members; /* the first that was planted at the front, while it exists */
    size_t count;
};

/* Makes the tree of that process, alone so far. Returns false if there is no such process. Exits
 * with 125 if memory runs out, as rp_tree_grow does. */
bool rp_tree_plant(struct rp_tree *tree, pid_t root);

/* Drops the members that have ended and adds the children of the others, and theirs. Who once
 * descended from a member stays one, whatever becomes of its parents. */
void rp_tree_grow(struct rp_tree *tree);

bool rp_tree_has(const struct rp_tree *tree, const struct rp_process *process);

void rp_tree_free(struct rp_tree *tree);

#endif
