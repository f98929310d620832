/* SPDX-License-Identifier: MIT */
/* libFuzzer target: /proc/PID/stat and status, as anything, and as the kernel writes them of a
 * process whose name is anything; that name never changes what is read. */
#include "inspect/process.c" /* NOLINT(bugprone-suspicious-include): its static functions */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { LONGEST_NAME = 64 }; /* of a kernel thread; others have 15 bytes */

static const char fields[] = ") S 7 8 9 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 4242 99 11 12\n";
static const char lines[] =
    "\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t5\nNgid:\t0\nPid:\t6\nPPid:\t7\nTracerPid:\t0\n"
    "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nSigCgt:\t00000000000004a2\nSeccomp_filters:\t3\n";

static void must(bool condition) {
    if (!condition) abort();
}

/* A copy that ends in a NUL and has nothing behind it. */
static char *copy_of(const unsigned char *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

static bool is_within(const char *at, const char *text, size_t size) {
    return !at || (at >= text && at <= text + size);
}

static void read_anything(const char *text, size_t size) {
    static const char *const keys[] = {"State:", "Uid:", "SigCgt:", "Seccomp_filters:"};
    struct rp_status status;
    char value[128];
    for (int field = 3; field < 60; field++)
        must(is_within(find_field(text, size, field), text, size));
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        FILE *file = fmemopen((void *)text, size, "r");
        must(is_within(status_value(text, keys[i]), text, size));
        if (file && find_value(file, keys[i], value)) must(strlen(value) < sizeof(value));
        if (file) fclose(file);
    }
    parse_status(text, &status);
}

/* stat has names as they are. */
static void read_stat(const char *name, size_t size) {
    char text[LONGEST_NAME + 8 + sizeof(fields)] = "5 (";
    unsigned long long start = 0;
    memcpy(text + 3, name, size);
    memcpy(text + 3 + size, fields, sizeof(fields));
    const size_t length = 3 + size + sizeof(fields) - 1;
    const char *field = find_field(text, length, 22);
    must(field && sscanf(field, "%llu", &start) == 1 && start == 4242);
    must(!strncmp(find_field(text, length, 3), " S 7", 4));
}

/* status has newlines, backslashes and what cannot be printed escaped. */
static void read_status_of(const char *name, size_t size) {
    char text[16 + 2 * LONGEST_NAME + sizeof(lines)] = "Name:\t", value[128] = "";
    struct rp_status status;
    char *at = text + strlen(text);
    for (size_t i = 0; i < size && name[i]; i++) {
        if (name[i] == '\n' || name[i] == '\\') *at++ = '\\';
        *at++ = (char)(name[i] == '\n' ? 'n' : name[i]);
    }
    memcpy(at, lines, sizeof(lines));
    must(parse_status(text, &status));
    must(status.state == 'S' && status.leader == 5 && status.parent == 7);
    must(status.users[0] == 1 && status.users[3] == 4 && status.groups[0] == 5);
    FILE *file = fmemopen(text, strlen(text), "r");
    must(file && find_value(file, "SigCgt:", value) && !strcmp(value, "00000000000004a2"));
    must(find_value(file, "Seccomp_filters:", value) && !strcmp(value, "3"));
    fclose(file);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    if (size >= FILE_SIZE) return 0;
    char *text = copy_of(data, size);
    const size_t length = size < LONGEST_NAME ? size : LONGEST_NAME;
    read_anything(text, size);
    read_stat(text, length);
    read_status_of(text, length);
    free(text);
    return 0;
}
