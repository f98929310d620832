/* SPDX-License-Identifier: MIT */
/* libFuzzer target: any text is either refused, with a reason and an empty list, or accepted as a
 * list whose entries mean what they must. */
#include "core/ports.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void must(bool condition) {
    if (!condition) abort();
}

static void check_entry(const struct rp_ports *list, const struct rp_entry *entry) {
    struct rp_endpoint where = {.port = entry->last, .address = entry->address};
    const enum rp_proto proto = entry->protos & RP_TCP ? RP_TCP : RP_UDP;
    must(entry->first >= 1 && entry->first <= entry->last);
    must(entry->protos && !(entry->protos & ~(RP_TCP | RP_UDP)));
    if (entry->any_address) where.address = in6addr_any;
    const enum rp_verdict verdict = rp_ports_match(list, &where, proto);
    must(entry->deny ? verdict == RP_DENY : verdict != RP_LEAVE);
    where.port = 0;
    must(rp_ports_match(list, &where, proto) == RP_LEAVE);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct rp_ports list;
    char bad[RP_ENTRY_SIZE];
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    const char *wrong = rp_ports_parse(&list, text, bad);
    must(!wrong == (list.count > 0) && list.count <= RP_ENTRIES_MAX);
    must(!wrong || strnlen(bad, sizeof(bad)) < sizeof(bad));
    for (unsigned i = 0; i < list.count; i++) check_entry(&list, &list.entries[i]);
    free(text);
    return 0;
}
