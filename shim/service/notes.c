/* SPDX-License-Identifier: MIT */
/* A keeper searches what descends from itself alone: the other keepers see to theirs. */
#include "service/notes.h"

#include "base/die.h"
#include "group/steer.h"
#include "inspect/holders.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NOTES_MAX = 64 /* groups that are steered at a time */ };

static struct note {
    volatile bool steered;
    struct rp_socket like;
} * notes;

/* In a keeper. */
static void detach_all(void) {
    for (size_t i = 0; notes && i < NOTES_MAX; i++) {
        const struct rp_socket *like = &notes[i].like;
        struct rp_sockets sockets = {NULL, 0, 0};
        struct rp_tree tree = {NULL, 0};
        if (!notes[i].steered || !rp_tree_plant(&tree, getpid())) continue;
        rp_tree_grow(&tree);
        rp_sockets_find(&(struct rp_wanted){like->proto, like->local.port, RP_LISTENING}, &sockets);
        rp_sockets_find_members(&sockets, &tree);
        rp_group_unsteer(like, &sockets);
        rp_sockets_free(&sockets);
        rp_tree_free(&tree);
    }
}

void rp_notes_prepare(struct rp_service *service) {
    notes = mmap(NULL, NOTES_MAX * sizeof(*notes), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (notes == MAP_FAILED) rp_die("mmap: %s", strerror(errno));
    service->copies.orphaned = detach_all;
}

/* The group's note, or else a free one; NULL if there is none. */
static struct note *find_note(const struct rp_socket *like) {
    struct note *free = NULL;
    for (size_t i = 0; i < NOTES_MAX; i++) {
        if (notes[i].steered && rp_is_same_group(&notes[i].like, like)) return &notes[i];
        if (!notes[i].steered) free = &notes[i];
    }
    return free;
}

bool rp_note(const struct rp_socket *like, bool steered) {
    struct note *note = find_note(like);
    if (!note) return !steered;
    note->like = *like;
    note->steered = steered;
    return true;
}

void rp_notes_keep(const struct rp_listening *listening) {
    for (size_t i = 0; i < NOTES_MAX; i++) {
        bool there = false;
        if (!notes[i].steered) continue;
        for (size_t j = 0; j < listening->count; j++)
            there = there || rp_is_same_group(&listening->list[j].like, &notes[i].like);
        notes[i].steered = there;
    }
}
