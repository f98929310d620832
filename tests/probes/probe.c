/* SPDX-License-Identifier: MIT */
/* Does to sockets what its arguments say, one after the other, and prints what the kernel reports:
 *
 *     socket KIND       creates the current socket: tcp4 tcp6 udp4 udp6 mptcp4 unix netlink raw4
 *                       raw6, nonblock4 (TCP)
 *     reuseport|reuseaddr|v6only VALUE    sets the option, as a program of its own accord would
 *     device NAME       binds to that interface
 *     bind ADDRESS PORT     PORT 0 is any; ADDRESS "unspec": AF_UNSPEC and 0.0.0.0; "path": AF_UNIX
 *     listen            get (prints the options)       port (prints the port)
 *     connect ADDRESS PORT      IPv4 alone
 *     sigpipe           blocks SIGPIPE and raises it
 *     blocked           prints the masks of blocked and of pending signals
 *     close             user UID (changes to that user)         euser UID (the effective one alone)
 *     descriptors N     opens so many         below N (all below that number)
 *     mark              a getppid(2) to be found in a trace
 *     cpu               prints the microseconds of CPU time since the last such step
 *     fork              goes on in parent and child
 *     pause             until a signal comes
 *     socketcall        from now on binds by socketcall(2), on i386 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int fd = -1;
static int by_socketcall;

static void show(const char *what, int result) {
    if (!result)
        printf("%s=ok\n", what);
    else
        printf("%s=%s\n", what, strerror(errno));
    fflush(stdout);
}

static void make_socket(const char *kind) {
    static const struct {
        const char *name;
        int domain, type, protocol;
    } kinds[] = {
        {"tcp4", AF_INET, SOCK_STREAM, 0},
        {"tcp6", AF_INET6, SOCK_STREAM, 0},
        {"udp4", AF_INET, SOCK_DGRAM, 0},
        {"udp6", AF_INET6, SOCK_DGRAM, 0},
        {"mptcp4", AF_INET, SOCK_STREAM, 262},
        {"unix", AF_UNIX, SOCK_STREAM, 0},
        {"netlink", AF_NETLINK, SOCK_RAW, 0},
        {"raw4", AF_INET, SOCK_RAW, 253},
        {"raw6", AF_INET6, SOCK_RAW, 253},
        {"nonblock4", AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(kind, kinds[i].name) != 0) continue;
        fd = socket(kinds[i].domain, kinds[i].type | SOCK_CLOEXEC, kinds[i].protocol);
        if (fd < 0) show("socket", fd);
        return;
    }
    fprintf(stderr, "probe: no such kind of socket: %s\n", kind);
    exit(2);
}

static void set(int level, int option, const char *value) {
    const int number = atoi(value);
    if (setsockopt(fd, level, option, &number, sizeof(number))) show("setsockopt", -1);
}

static void print_option(const char *name, int option) {
    int value;
    socklen_t size = sizeof(value);
    if (getsockopt(fd, SOL_SOCKET, option, &value, &size))
        show(name, -1);
    else
        printf("%s=%d\n", name, !!value);
}

static void do_bind(const char *address, const char *port) {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local;
        struct {
            sa_family_t family;
            unsigned short pad;
            unsigned pid, groups;
        } netlink;
    } to = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof(to.ipv4);
    const in_port_t number = htons((in_port_t)atoi(port));
    if (inet_pton(AF_INET, address, &to.ipv4.sin_addr) == 1) {
        to.ipv4.sin_family = AF_INET;
        to.ipv4.sin_port = number;
    } else if (inet_pton(AF_INET6, address, &to.ipv6.sin6_addr) == 1) {
        to.ipv6.sin6_family = AF_INET6;
        to.ipv6.sin6_port = number;
        size = sizeof(to.ipv6);
    } else if (!strcmp(address, "unspec")) {
        to.ipv4.sin_port = number;
    } else if (!strcmp(address, "path")) {
        to.local.sun_family = AF_UNIX;
        snprintf(to.local.sun_path + 1, sizeof(to.local.sun_path) - 1, "%s", port);
        size = sizeof(to.local);
    } else if (!strcmp(address, "netlink")) {
        to.netlink.family = AF_NETLINK;
        size = sizeof(to.netlink);
    } else {
        fprintf(stderr, "probe: no such address: %s\n", address);
        exit(2);
    }
#ifdef SYS_socketcall
    if (by_socketcall) {
        const unsigned long arguments[] = {(unsigned long)fd, (unsigned long)&to.any, size};
        show("bind", (int)syscall(SYS_socketcall, 2, arguments));
        return;
    }
#endif
    show("bind", bind(fd, &to.any, size));
}

static void do_connect(const char *address, const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(port))};
    inet_pton(AF_INET, address, &to.sin_addr);
    show("connect", connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static void raise_blocked(int number) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, number);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    raise(number);
}

/* As the kernel has them: libc hides signals of its own. */
static void print_blocked(void) {
    uint64_t blocked = 0, pending = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
    syscall(SYS_rt_sigpending, &pending, sizeof(pending));
    printf("blocked=%llx pending=%llx\n", (unsigned long long)blocked, (unsigned long long)pending);
}

static void print_port(void) {
    struct sockaddr_in6 name = {0};
    socklen_t size = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &size))
        show("port", -1);
    else
        printf("port=%d\n", ntohs(name.sin6_port));
}

static void print_cpu(void) {
    static long before;
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    const long now = (long)time.tv_sec * 1000000 + time.tv_nsec / 1000;
    printf("cpu=%ld\n", now - before);
    before = now;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "socket")) {
            make_socket(argv[++i]);
        } else if (!strcmp(word, "reuseport")) {
            set(SOL_SOCKET, SO_REUSEPORT, argv[++i]);
        } else if (!strcmp(word, "reuseaddr")) {
            set(SOL_SOCKET, SO_REUSEADDR, argv[++i]);
        } else if (!strcmp(word, "v6only")) {
            set(IPPROTO_IPV6, IPV6_V6ONLY, argv[++i]);
        } else if (!strcmp(word, "device")) {
            const char *name = argv[++i];
            if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)))
                show("device", -1);
        } else if (!strcmp(word, "bind")) {
            do_bind(argv[i + 1], argv[i + 2]);
            i += 2;
        } else if (!strcmp(word, "listen")) {
            show("listen", listen(fd, 16));
        } else if (!strcmp(word, "get")) {
            print_option("reuseport", SO_REUSEPORT);
            print_option("reuseaddr", SO_REUSEADDR);
        } else if (!strcmp(word, "port")) {
            print_port();
        } else if (!strcmp(word, "connect")) {
            do_connect(argv[i + 1], argv[i + 2]);
            i += 2;
        } else if (!strcmp(word, "sigpipe")) {
            raise_blocked(SIGPIPE);
        } else if (!strcmp(word, "blocked")) {
            print_blocked();
        } else if (!strcmp(word, "close")) {
            close(fd);
        } else if (!strcmp(word, "user")) {
            show("user", setuid((uid_t)atoi(argv[++i])));
        } else if (!strcmp(word, "euser")) {
            if (seteuid((uid_t)atoi(argv[++i]))) show("euser", -1);
        } else if (!strcmp(word, "descriptors")) {
            for (int count = atoi(argv[++i]); count > 0; count--)
                if (dup(STDIN_FILENO) < 0) show("dup", -1);
        } else if (!strcmp(word, "below")) {
            const int most = atoi(argv[++i]);
            int next;
            do next = dup(STDIN_FILENO);
            while (next >= 0 && next < most);
            if (next < 0) show("dup", -1);
            close(next);
        } else if (!strcmp(word, "mark")) {
            syscall(SYS_getppid);
        } else if (!strcmp(word, "cpu")) {
            print_cpu();
        } else if (!strcmp(word, "fork")) {
            if (fork() < 0) show("fork", -1);
        } else if (!strcmp(word, "socketcall")) {
            by_socketcall = 1;
        } else if (!strcmp(word, "pause")) {
            pause();
        } else {
            fprintf(stderr, "probe: no such step: %s\n", word);
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
