/* SPDX-License-Identifier: MIT */
/* The settings of this process. They are read once: programs overwrite their environment later on
 * (setproctitle). */
#ifndef RP_SETTINGS_H
#define RP_SETTINGS_H

#include "core/config.h"

/* Reads and publishes the settings, and reports an error in them, unless some thread has begun to.
 * For the constructor. Keeps errno. */
void rp_settings_load(void);

/* The settings, or NULL as long as they are not published. Async-signal-safe. */
const struct rp_config *rp_settings(void);

/* For a call that finds none: publishes the settings and returns them. If another thread, or the
 * code that a signal handler has interrupted, is about to do that, reads the environment into *own
 * and returns that instead of waiting. Keeps errno. As safe as getenv(3). */
const struct rp_config *rp_settings_early(struct rp_config *own);

#endif
