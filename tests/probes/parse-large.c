/* SPDX-License-Identifier: MIT */
/* Parses lists of 1 MiB, which no environment can hold (execve(2)), and prints what the parser says
 * of each. */
#include "core/ports.h"

#include <stdio.h>
#include <string.h>

enum { SIZE = 1 << 20 };

static char text[SIZE + 1];

static const char *parse(void) {
    static struct rp_ports list;
    char bad[RP_ENTRY_SIZE];
    const char *wrong = rp_ports_parse(&list, text, bad);
    return wrong && !list.count && strlen(bad) < sizeof(bad) ? wrong : "accepted";
}

int main(void) {
    memset(text, ' ', SIZE);
    text[SIZE - 1] = 'x';
    printf("spaces=%s ", parse());
    memset(text, ',', SIZE);
    printf("commas=%s ", parse());
    memset(text, '8', SIZE);
    printf("digits=%s ", parse());
    for (int i = 0; i < SIZE; i += 3) memcpy(text + i, "80,", SIZE - i < 3 ? 1 : 3);
    printf("ports=%s\n", parse());
    return 0;
}
