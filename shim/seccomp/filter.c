/* SPDX-License-Identifier: MIT */
/* Builds the filter's instructions rule by rule: a rule is one system call of one ABI. A CPU whose
 * numbers are not in the table has no rules, and no filter. */
#include "seccomp/filter.h"

#include "seccomp/kernel.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBER offsetof(struct seccomp_data, nr)
#define ARCH offsetof(struct seccomp_data, arch)
/* The low word of a 64-bit argument: BPF loads 32 bits at a time. */
#define LOW_WORD (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4UL : 0UL)
#define ARGUMENT(n) ((uint32_t)(offsetof(struct seccomp_data, args) + 8UL * (n) + LOW_WORD))

enum { X32 = 0x40000000, IPV4_SIZE = 16, INSTRUCTIONS_MAX = 128 };

/* CALL: socketcall(2), whose first argument is 2 for bind. Its socket() is skipped: its arguments
 * are in memory, and whoever can read the memory need not create the socket. */
enum kind { BIND, SOCKET, CALL };

static const struct rule {
    uint32_t arch;
    int number;
    enum kind kind;
} rules[] = {
#if defined(__x86_64__) || defined(__i386__)
    {AUDIT_ARCH_X86_64, 49, BIND},
    {AUDIT_ARCH_X86_64, 41, SOCKET},
    {AUDIT_ARCH_X86_64, X32 | 49, BIND},
    {AUDIT_ARCH_X86_64, X32 | 41, SOCKET},
    {AUDIT_ARCH_I386, 361, BIND},
    {AUDIT_ARCH_I386, 359, SOCKET},
    {AUDIT_ARCH_I386, 102, CALL},
#elif defined(__aarch64__) || defined(__arm__)
    {AUDIT_ARCH_AARCH64, 200, BIND},
    {AUDIT_ARCH_AARCH64, 198, SOCKET},
    {AUDIT_ARCH_ARM, 282, BIND},
    {AUDIT_ARCH_ARM, 281, SOCKET},
#elif defined(__riscv)
    {AUDIT_ARCH_RISCV64, 200, BIND},
    {AUDIT_ARCH_RISCV64, 198, SOCKET},
    {AUDIT_ARCH_RISCV32, 200, BIND},
    {AUDIT_ARCH_RISCV32, 198, SOCKET},
#endif
    {0, 0, BIND}, /* the end: no ABI is 0 */
};

struct program {
    unsigned short length;
    struct sock_filter code[INSTRUCTIONS_MAX];
};

static void emit(struct program *program, unsigned code, uint32_t k, unsigned if_true,
                 unsigned if_false) {
    program->code[program->length++] = (struct sock_filter){
        (unsigned short)code, (unsigned char)if_true, (unsigned char)if_false, k};
}

static void load(struct program *program, uint32_t offset) {
    emit(program, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void answer(struct program *program, uint32_t action) {
    emit(program, BPF_RET | BPF_K, action, 0, 0);
}

/* Continues if the value is k, else skips that many instructions. */
static void unless_equal(struct program *program, uint32_t k, unsigned skip) {
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip);
}

/* Only addresses as long as an inet socket's may be, which leaves out netlink's. */
static void ask_about_bind(struct program *program) {
    load(program, ARGUMENT(2));
    emit(program, BPF_JMP | BPF_JGE | BPF_K, IPV4_SIZE, 0, 2);
    emit(program, BPF_JMP | BPF_JGT | BPF_K, sizeof(struct sockaddr_storage), 1, 0);
    answer(program, SECCOMP_RET_USER_NOTIF);
    answer(program, SECCOMP_RET_ALLOW);
}

static void ask_about_socket(struct program *program) {
    load(program, ARGUMENT(0));
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0);
    unless_equal(program, AF_INET6, 4);
    load(program, ARGUMENT(1));
    emit(program, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
    unless_equal(program, SOCK_STREAM, 1);
    answer(program, SECCOMP_RET_USER_NOTIF);
    answer(program, SECCOMP_RET_ALLOW);
}

static void ask_about_call(struct program *program) {
    load(program, ARGUMENT(0));
    unless_equal(program, 2, 1);
    answer(program, SECCOMP_RET_USER_NOTIF);
    answer(program, SECCOMP_RET_ALLOW);
}

static void add_rule(struct program *program, const struct rule *rule) {
    load(program, ARCH);
    const unsigned arch = program->length;
    unless_equal(program, rule->arch, 0);
    load(program, NUMBER);
    const unsigned number = program->length;
    unless_equal(program, (uint32_t)rule->number, 0);
    if (rule->kind == BIND) ask_about_bind(program);
    if (rule->kind == SOCKET) ask_about_socket(program);
    if (rule->kind == CALL) ask_about_call(program);
    program->code[arch].jf = (unsigned char)(program->length - arch - 1);
    program->code[number].jf = (unsigned char)(program->length - number - 1);
}

static int install(const struct sock_fprog *program, unsigned long flags) {
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                        SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, program);
}

bool rp_filter_supported(void) {
    return rules[0].arch != 0;
}

int rp_filter_install(unsigned what) {
    struct program program = {.length = 0};
    if (!rp_filter_supported()) {
        errno = EOPNOTSUPP;
        return -1;
    }
    for (const struct rule *rule = rules; rule->arch; rule++)
        if (what & (rule->kind == SOCKET ? RP_SOCKETS : RP_BINDS)) add_rule(&program, rule);
    answer(&program, SECCOMP_RET_ALLOW);
    const struct sock_fprog compiled = {program.length, program.code};
    /* Without SPEC_ALLOW, Linux before 5.16 slows the whole program (Linux 4.17, proc(5)). */
    unsigned long flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    for (;;) {
        const int listener = install(&compiled, flags);
        if (listener >= 0) return listener;
        if (errno == EINVAL && (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)) {
            flags &= ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; /* the younger one first */
        } else if (errno == EINVAL && flags) {
            flags = 0;
        } else if (errno == EACCES && prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 0) {
            if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L)) return -1;
        } else {
            return -1;
        }
    }
}

unsigned rp_filter_call(uint32_t arch, int number, bool *packed, bool *narrow) {
    *narrow = !(arch & __AUDIT_ARCH_64BIT);
    for (const struct rule *rule = rules; rule->arch; rule++) {
        if (rule->arch != arch || rule->number != number) continue;
        *packed = rule->kind == CALL;
        return rule->kind == SOCKET ? RP_SOCKETS : RP_BINDS;
    }
    return 0;
}
