/* SPDX-License-Identifier: MIT */
/* Each reason has its words and the methods that it rules out. */
#include "launch/findings.h"

#include "base/die.h"

#include <stdio.h>
#include <string.h>

enum {
    FINE = 0,
    NO_PRELOAD = 1 << RP_PRELOAD,
    NO_SECCOMP = 1 << RP_SECCOMP,
    NO_WAY = NO_PRELOAD | NO_SECCOMP,
};

/* %p: the file's path; %w: the word; %n: the number; %e: the number's error text; %c: the program's
 * libc; %i: its interpreter; %m: its machine; %l: the library's machine. */
static const struct {
    unsigned hinders;
    const char *text;
} reasons[] = {
    [RP_IS_REACHED] = {FINE, "%p: dynamic, %c, %m: the library reaches it"},
    [RP_IS_SCRIPT] = {FINE, "%p: a script, run by %w"},
    /* Only root may look into such a process, either (proc(5), dumpable). */
    [RP_NOT_READABLE] = {NO_SECCOMP,
                         "%p: not readable, so whether the library reaches it is unknown"},
    [RP_NEEDS_64_BITS] = {NO_SECCOMP,
                          "%p: for %m, but this command has 32 bits: -m seccomp needs one of 64"},
    [RP_OTHER_MACHINE] = {NO_PRELOAD, "%p: for %m, but the library is for %l"},
    [RP_WOULD_HANG] = {NO_SECCOMP,
                       "%p: waits for all of its children; as PID 1 or a subreaper it would have "
                       "the watching process among them, and never end; start it from another "
                       "process (docker: --init)"},
    [RP_IS_GO] = {NO_PRELOAD,
                  "%p: a Go program: makes its own system calls, which no preload sees"},
    [RP_IS_STATIC] = {NO_PRELOAD, "%p: static: has no loader to read LD_PRELOAD"},
    [RP_ENV_CHANGES_PRELOAD] = {NO_PRELOAD, "%p: env changes LD_PRELOAD"},
    [RP_ENV_EMPTIES] = {NO_PRELOAD, "%p: env %w empties the environment, and LD_PRELOAD with it"},
    [RP_SET_USER_ID] = {NO_WAY,
                        "%p: set-user-id: the loader ignores LD_PRELOAD; start it as its owner, "
                        "uid %n, or without that bit"},
    [RP_SET_GROUP_ID] = {NO_WAY,
                         "%p: set-group-id: the loader ignores LD_PRELOAD; start it in its group, "
                         "gid %n, or without that bit"},
    [RP_HAS_CAPABILITIES] = {NO_WAY,
                             "%p: has file capabilities: the loader ignores LD_PRELOAD; remove "
                             "them (setcap -r) and start it with ambient ones (setpriv --inh-caps "
                             "+net_bind_service --ambient-caps +net_bind_service), or for low "
                             "ports lower net.ipv4.ip_unprivileged_port_start"},
    [RP_IS_LIBRARY] = {NO_WAY, "%p: a shared library, not a program"},
    [RP_NO_LOADER] = {NO_WAY, "%p: its loader %i: %e; install its libc"},
    [RP_NO_INTERPRETER] = {NO_WAY, "%p: its interpreter %w: %e"},
    [RP_ENV_RUNS_NOTHING] = {NO_WAY, "%p: its interpreter env: no command given"},
    [RP_TOO_MANY_SCRIPTS] = {NO_WAY, "%p: more scripts run by scripts than the kernel follows"},
    [RP_NOT_EXECUTABLE] = {NO_WAY, "%p: %w"},
    [RP_FAILS] = {NO_WAY, "%p: %e"},
};

/* What to do where the preload alone is ruled out; NULL for other reasons. */
static const char *const advice[] = {
    [RP_OTHER_MACHINE] = "build the library for %m and name it with --library, or use -m seccomp",
    [RP_IS_GO] = "set SO_REUSEPORT in its code (net.ListenConfig), or use -m seccomp",
    [RP_IS_STATIC] = "use a dynamically linked build, or -m seccomp",
    [RP_FAILS] = NULL,
};

void rp_finding_add(struct rp_preflight *preflight, enum rp_reason reason, unsigned number,
                    const char *word) {
    preflight->hindered |= reasons[reason].hinders;
    if (preflight->count == RP_FINDINGS_MAX) return;
    struct rp_finding *finding = &preflight->findings[preflight->count++];
    finding->reason = reason;
    finding->file = preflight->depth;
    finding->number = number;
    snprintf(finding->word, sizeof(finding->word), "%s", word);
}

bool rp_finding_hinders(const struct rp_finding *finding, enum rp_method method) {
    return reasons[finding->reason].hinders >> method & 1;
}

static const char *machine(const struct rp_executable *program, char scratch[32]) {
    const char *name = rp_machine_name(program->machine, program->elf_class);
    if (name) return name;
    snprintf(scratch, 32, "machine %u", program->machine);
    return scratch;
}

static const char *libc_name(enum rp_libc libc) {
    return libc == RP_LIBC_GLIBC ? "glibc" : libc == RP_LIBC_MUSL ? "musl" : "another libc";
}

/* What stands for the letter behind a %. */
static const char *expand(const struct rp_preflight *preflight, const struct rp_finding *finding,
                          char letter, char scratch[32]) {
    switch (letter) {
    case 'p':
        return preflight->files[finding->file];
    case 'w':
        return finding->word;
    case 'e':
        return strerror((int)finding->number);
    case 'c':
        return libc_name(preflight->program.libc);
    case 'i':
        return preflight->program.interpreter;
    case 'm':
        return machine(&preflight->program, scratch);
    case 'l':
        return machine(preflight->library, scratch);
    default:
        snprintf(scratch, 32, "%u", finding->number);
        return scratch;
    }
}

/* Writes the format in words, at most up to end. Returns where it ends. */
static char *write_words(const struct rp_preflight *preflight, const struct rp_finding *finding,
                         const char *format, char *to, const char *end) {
    char scratch[32];
    for (const char *from = format; *from && to < end - 1; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        const char *word = expand(preflight, finding, *++from, scratch);
        const size_t length = strnlen(word, (size_t)(end - to) - 1);
        to = (char *)memcpy(to, word, length) + length;
    }
    *to = '\0';
    return to;
}

const char *rp_finding_cause(const struct rp_preflight *preflight, const struct rp_finding *finding,
                             char text[RP_FINDING_TEXT]) {
    write_words(preflight, finding, reasons[finding->reason].text, text, text + RP_FINDING_TEXT);
    return rp_make_plain(text);
}

const char *rp_finding_text(const struct rp_preflight *preflight, const struct rp_finding *finding,
                            char text[RP_FINDING_TEXT]) {
    const char *end = text + RP_FINDING_TEXT, *what_to_do = advice[finding->reason];
    char *to = write_words(preflight, finding, reasons[finding->reason].text, text, end);
    if (what_to_do) {
        to = write_words(preflight, finding, "; ", to, end);
        write_words(preflight, finding, what_to_do, to, end);
    }
    return rp_make_plain(text);
}
