/* SPDX-License-Identifier: MIT */
/* Explains EADDRINUSE: to share a port, all sockets must be of one user and all must have asked for
 * it (socket(7), SO_REUSEPORT). */
#include "core/explain.h"

#include "core/budget.h"
#include "core/holder.h"
#include "core/kernel.h"
#include "core/message.h"
#include "core/outside.h"
#include "core/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Microseconds of CPU time, together 5 ms: finding the holder, and naming two users. */
enum { SEARCH = 4400, NAME = 250, TOLD_MOST = 10 };

/* A refused bind, and what is said of it. */
struct refusal {
    const struct rp_endpoint *where;
    enum rp_proto proto;
    uint32_t user; /* of the socket that was refused */
    struct rp_holder holder;
    struct rp_message message;
};

/* Counts up to TOLD_MOST. Returns the number before: 0 once in a process, so that one thread alone
 * looks for the holder. */
static unsigned count(unsigned *told) {
    unsigned before = __atomic_load_n(told, __ATOMIC_RELAXED);
    while (before < TOLD_MOST && !__atomic_compare_exchange_n(told, &before, before + 1, false,
                                                              __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return before;
}

/* Behind the next colon; at the end if there is none. */
static char *next_field(char *at) {
    while (*at && *at != ':') at++;
    return *at ? at + 1 : at;
}

/* Cuts "NAME:x:UID:..." behind the name. Returns NULL if that is another user's line. */
static const char *name_in(char *line, uint32_t uid) {
    char *password = next_field(line);
    const char *number = next_field(password);
    if (*number < '0' || *number > '9' || rp_number(number, 10, 10) != uid) return NULL;
    password[-1] = '\0';
    return line;
}

/* As /etc/passwd names it, else by number; getpwuid(3) allocates and locks. */
static void say_user(struct rp_message *message, uint32_t uid) {
    enum { LINE = 2 }; /* microseconds */
    struct rp_lines lines;
    struct rp_budget budget;
    const char *name = NULL;
    char *line;
    if (rp_is_outside_user(uid)) {
        rp_say(message, "a user outside this container");
        return;
    }
    rp_budget_start(&budget, NAME);
    const bool opened = rp_lines_open(&lines, "/etc/passwd");
    while (opened && !name && rp_budget_left(&budget, LINE) && (line = rp_lines_next(&lines)))
        name = name_in(line, uid);
    rp_lines_close(&lines);
    rp_say(message, name ? "user " : "uid ");
    name ? rp_say_escaped(message, name) : rp_say_number(message, uid);
}

/* The user who created the socket, who need not be the one who binds it. In the answer of statx(2),
 * which has the same layout everywhere, the uid is 20 bytes in. */
static uint32_t owner(int fd) {
    uint32_t uid = (uint32_t)syscall(SYS_geteuid32);
#ifdef SYS_statx
    unsigned char status[256];
    if (!syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 8 /* STATX_UID */, status))
        memcpy(&uid, status + 20, sizeof(uid));
#else
    (void)fd;
#endif
    return uid;
}

/* "pid 4711 (server)". */
static void say_process(struct rp_message *message, uint32_t pid) {
    struct rp_lines lines;
    const char *name = rp_owner_status(&lines, pid, "Name");
    rp_say(message, "pid ");
    rp_say_number(message, pid);
    rp_say(message, " (");
    rp_say_escaped(message, name ? name : "?");
    rp_say(message, ")");
}

static void say_users_differ(struct refusal *this) {
    rp_say(&this->message, "; only sockets of one user share a port (this one is of ");
    say_user(&this->message, this->user);
    rp_say(&this->message, ")");
}

/* To adopt the port would not help: the program is in its own way. */
static void say_oneself(struct refusal *this) {
    struct rp_message *message = &this->message;
    const bool other_user = this->holder.socket.uid != this->user;
    rp_say(message, ": ");
    if (this->holder.kin == RP_DESCENDANT) {
        say_process(message, this->holder.pid);
        rp_say(message, ", a descendant of this process,");
    } else {
        rp_say(message, "this process");
    }
    rp_say(message, " holds it already, by a socket ");
    rp_say(message, other_user ? "of " : "that does not share");
    if (!other_user) return;
    say_user(message, this->holder.socket.uid);
    say_users_differ(this);
}

static void say_stranger(struct refusal *this) {
    struct rp_message *message = &this->message;
    const struct rp_holder *holder = &this->holder;
    const bool other_user = holder->socket.uid != this->user;
    const bool outside = !holder->pid && holder->in_time && rp_has_outside();
    rp_say(message, " by ");
    if (holder->pid) say_process(message, holder->pid);
    if (!holder->pid || other_user) {
        rp_say(message, holder->pid ? " of " : "");
        say_user(message, holder->socket.uid);
    }
    if (other_user) {
        say_users_differ(this);
    } else {
        rp_say(message, outside ? ", whose socket does not share it; run \"reuseport adopt "
                                : ", whose socket does not share it; \"reuseport adopt ");
        rp_say_number(message, this->where->port);
        rp_say(message, this->proto == RP_UDP ? "/udp" : "");
        rp_say(message, outside ? "\" on the host" : "\" lets this one in");
    }
    if (!holder->pid)
        rp_say(message, holder->in_time ? "; its process is not visible to this one"
                                        : "; its process was not found within 5 ms");
}

static void say_cause(struct refusal *this) {
    struct rp_message *message = &this->message;
    const struct rp_holder *holder = &this->holder;
    if (!holder->socket.state)
        rp_say(message, holder->in_time ? "; its holder is not visible to this process"
                                        : "; its holder was not found within 5 ms");
    else if (rp_is_connection(&holder->socket, this->proto))
        rp_say(message, " by connections that outlived their server; wait a minute, or give both "
                        "servers REUSEPORT_REUSEADDR=1");
    else if (holder->kin == RP_STRANGER)
        say_stranger(this);
    else
        say_oneself(this);
}

/* Forgets a process that the one that binds may not see. */
static void hide(struct rp_holder *holder, const struct rp_binder *binder) {
    if (!holder->pid || holder->pid == binder->pid || binder->may_see(binder->context, holder->pid))
        return;
    holder->pid = 0;
    holder->kin = RP_STRANGER;
}

static void say_in_full(struct refusal *this, int fd, const struct rp_binder *binder) {
    if (!binder && !rp_is_shared(fd)) {
        rp_say(&this->message, ", and SO_REUSEPORT could not be set");
        return;
    }
    this->user = owner(fd);
    rp_holder_find(&this->holder, this->where, this->proto, this->user,
                   binder ? binder->pid : rp_own_pid(), SEARCH);
    if (binder) hide(&this->holder, binder);
    say_cause(this);
}

void rp_explain_refusal(unsigned *told, int fd, const struct rp_binder *binder,
                        const struct rp_endpoint *where) {
    const int keep = errno;
    struct refusal this = {.where = where, .message = RP_MESSAGE};
    /* Asked first: a program may try thousands of ports. */
    if (__atomic_load_n(told, __ATOMIC_RELAXED) < TOLD_MOST && rp_may_send()) {
        const unsigned before = count(told);
        this.proto = rp_ask_proto(fd);
        rp_say(&this.message, "bind ");
        rp_say_endpoint(&this.message, where, this.proto);
        rp_say(&this.message, ": in use");
        if (before == 0) say_in_full(&this, fd, binder);
        if (before == TOLD_MOST - 1) rp_say(&this.message, "; no more of these are reported");
        if (before < TOLD_MOST) rp_send(&this.message);
    }
    errno = keep;
}

bool rp_explain_failure(unsigned *told, int fd, const struct rp_endpoint *where,
                        const struct rp_failure *failure) {
    struct rp_message message = RP_MESSAGE;
    const int error = failure->error;
    if (__atomic_load_n(told, __ATOMIC_RELAXED) || !rp_may_send() ||
        __atomic_exchange_n(told, 1, __ATOMIC_RELAXED))
        return false;
    rp_say(&message, where ? "bind " : "socket");
    if (where) rp_say_endpoint(&message, where, rp_ask_proto(fd));
    rp_say(&message, rp_is_shared(fd) ? ": shared: " : ": not shared: ");
    rp_say(&message, failure->call);
    rp_say(&message, error == EPERM ? ": Operation not permitted" : ": error ");
    if (error != EPERM) rp_say_number(&message, (uint32_t)error);
    /* What seccomp filters and security modules answer. */
    if (error == EPERM || error == EACCES || error == ENOSYS)
        rp_say(&message, " (a sandbox?); \"reuseport run -m seccomp\" goes round that");
    rp_send(&message);
    return true;
}
