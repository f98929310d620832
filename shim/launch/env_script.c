/* SPDX-License-Identifier: MIT */
/* The kernel gives env one argument, blanks included; env splits it only after -S. */
#include "launch/env_script.h"

#include <string.h>

/* Blanks out the option that splits the argument. Returns false if there is none. */
static bool take_split_option(char *argument) {
    static const char name[] = "--split-string=";
    const size_t flags = 1 + strspn(argument + (*argument == '-'), "iv0");
    if (!strncmp(argument, name, strlen(name))) {
        memset(argument, ' ', strlen(name));
        return true;
    }
    if (*argument != '-' || argument[flags] != 'S') return false;
    argument[flags] = ' ';
    if (flags == 1) *argument = ' ';
    return true;
}

static bool empties_environment(const char *option) {
    return !strcmp(option, "-") || !strcmp(option, "--ignore-environment") ||
           (*option == '-' && option[1 + strspn(option + 1, "v0")] == 'i');
}

/* env runs the first word that is neither an option, nor an option's value, nor a setting. */
const char *rp_env_command(struct rp_preflight *preflight, char *argument) {
    const char *separators = take_split_option(argument) ? " \t" : "";
    char *rest = NULL;
    bool is_value = false;
    for (char *word = strtok_r(argument, separators, &rest); word;
         word = strtok_r(NULL, separators, &rest)) {
        if (strstr(word, "LD_PRELOAD"))
            rp_finding_add(preflight, RP_ENV_CHANGES_PRELOAD, 0, "");
        else if (!is_value && empties_environment(word))
            rp_finding_add(preflight, RP_ENV_EMPTIES, 0, word);
        if (!is_value && *word != '-' && !strchr(word, '=')) return word;
        is_value = !strcmp(word, "-u") || !strcmp(word, "-C");
    }
    return NULL;
}
