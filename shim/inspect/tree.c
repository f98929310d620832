/* SPDX-License-Identifier: MIT */
/* A child is admitted if its status names a member as parent, and that member still exists then: so
 * the parent is the member, and no later process of its PID. */
#include "inspect/tree.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void add(struct rp_tree *tree, const struct rp_process *process) {
    tree->members = rp_grow(tree->members, tree->count, sizeof(*tree->members));
    tree->members[tree->count++] = *process;
}

bool rp_tree_plant(struct rp_tree *tree, pid_t root) {
    struct rp_process process;
    if (!rp_process_find(root, &process, NULL)) return false;
    add(tree, &process);
    return true;
}

bool rp_tree_has(const struct rp_tree *tree, const struct rp_process *process) {
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].pid == process->pid && tree->members[i].start == process->start)
            return true;
    return false;
}

struct brood {
    struct rp_tree *tree;
    struct rp_process parent;
};

static void admit(void *context, pid_t pid) {
    const struct brood *brood = context;
    struct rp_process child;
    struct rp_status status;
    for (size_t i = 0; i < brood->tree->count; i++)
        if (brood->tree->members[i].pid == pid) return; /* known, and alive a moment ago */
    if (rp_process_find(pid, &child, &status) && status.parent == brood->parent.pid &&
        rp_process_exists(&brood->parent))
        add(brood->tree, &child);
}

void rp_tree_grow(struct rp_tree *tree) {
    size_t kept = 0;
    for (size_t i = 0; i < tree->count; i++)
        if (rp_process_exists(&tree->members[i])) tree->members[kept++] = tree->members[i];
    tree->count = kept;
    for (size_t i = 0; i < tree->count; i++) { /* the list grows meanwhile */
        struct brood brood = {tree, tree->members[i]};
        rp_process_visit_children(brood.parent.pid, admit, &brood);
    }
}

void rp_tree_free(struct rp_tree *tree) {
    free(tree->members);
    memset(tree, 0, sizeof(*tree));
}
