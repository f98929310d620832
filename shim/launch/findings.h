/* SPDX-License-Identifier: MIT */
/* What a preflight found, and how to say it. */
#ifndef RP_FINDINGS_H
#define RP_FINDINGS_H

#include "launch/executable.h"

/* How a program is made to share its ports: from inside, by the library, or from outside. */
enum rp_method { RP_AUTO, RP_PRELOAD, RP_SECCOMP };

enum rp_reason {
    RP_IS_REACHED,
    RP_IS_SCRIPT,
    RP_NOT_READABLE,
    RP_NEEDS_64_BITS,
    RP_OTHER_MACHINE,
    RP_WOULD_HANG,
    RP_IS_GO,
    RP_IS_STATIC,
    RP_ENV_CHANGES_PRELOAD,
    RP_ENV_EMPTIES,
    RP_SET_USER_ID,
    RP_SET_GROUP_ID,
    RP_HAS_CAPABILITIES,
    RP_IS_LIBRARY,
    RP_NO_LOADER,
    RP_NO_INTERPRETER,
    RP_ENV_RUNS_NOTHING,
    RP_TOO_MANY_SCRIPTS,
    RP_NOT_EXECUTABLE,
    RP_FAILS,
};

enum {
    RP_SCRIPTS_MAX = 5, /* the kernel follows no more (execve(2), ELOOP) */
    RP_FILES_MAX = RP_SCRIPTS_MAX + 2,
    RP_FINDINGS_MAX = 8,
    RP_WORD_SIZE = 520, /* an interpreter and its argument */
    RP_FINDING_TEXT = 2 * PATH_MAX + RP_WORD_SIZE + 512,
};

struct rp_finding {
    enum rp_reason reason;
    unsigned file;   /* index of the file that it is about */
    unsigned number; /* a user, group or errno */
    char word[RP_WORD_SIZE];
};

/* The way from a command to the program that runs in the end. */
struct rp_preflight {
    int error;         /* errno that execve(2) would fail with, as far as can be seen; else 0 */
    unsigned hindered; /* bits, 1 << RP_PRELOAD and 1 << RP_SECCOMP: the methods ruled out */
    unsigned count;    /* of findings */
    unsigned depth;    /* index of the last file */
    bool is_program;   /* that file is an ELF file, described by program */
    struct rp_executable program;
    const struct rp_executable *library; /* what the library is for; NULL if unknown */
    struct rp_finding findings[RP_FINDINGS_MAX];
    char files[RP_FILES_MAX][PATH_MAX]; /* [0] is what execve(2) is to be given */
};

/* None of these is async-signal-safe. */

/* Records a finding about the last file, with a copy of the word, and what it rules out; past
 * RP_FINDINGS_MAX only the latter. */
void rp_finding_add(struct rp_preflight *preflight, enum rp_reason reason, unsigned number,
                    const char *word);

/* Whether the finding rules out the method. */
bool rp_finding_hinders(const struct rp_finding *finding, enum rp_method method);

/* Puts a finding into words, on one line without control characters. Returns text. */
const char *rp_finding_text(const struct rp_preflight *preflight, const struct rp_finding *finding,
                            char text[RP_FINDING_TEXT]);

/* The same without advice, which is to use -m seccomp where only the preload is ruled out. */
const char *rp_finding_cause(const struct rp_preflight *preflight, const struct rp_finding *finding,
                             char text[RP_FINDING_TEXT]);

#endif
