/* SPDX-License-Identifier: MIT */
/* <linux/seccomp.h> without what is newer than Linux 5.4, to build as on a machine of that age. */
#define seccomp_notif_addfd newer_than_linux_5_4
#include_next <linux/seccomp.h>
#undef seccomp_notif_addfd

#undef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#undef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#undef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#undef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#undef SECCOMP_ADDFD_FLAG_SETFD
#undef SECCOMP_ADDFD_FLAG_SEND
#undef SECCOMP_IOCTL_NOTIF_ADDFD
#undef SECCOMP_IOCTL_NOTIF_SET_FLAGS
