/* SPDX-License-Identifier: MIT */
/* An empty preload library, to compare ours with. */
int reuseport_empty;
