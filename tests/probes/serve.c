/* SPDX-License-Identifier: MIT */
/* A TCP server with whims: answers each connection on 127.0.0.1 with "pid PID copy NUMBER", its
 * REUSEPORT_INSTANCE, and closes it.
 *
 *     serve PORT [WORD...]
 *
 * late=MS: is ready so long after it listens; before, it prints "early NUMBER" for each connection;
 * then it says READY=1 if NOTIFY_SOCKET is set. deaf=MS: listens so late. life=MS: ends so long
 * after its start, with status=N. slow=MS: waits before each accept. queue=N: for listen(2). hold:
 * has each connection until the client closes it. work: answers when the client has sent
 * something. file=NAME: when it is ready, it makes NAME.PID. count=NAME: NAME.PID holds how many
 * connections it has accepted and answered, two numbers of 64 bits. uid=N: becomes that user first.
 * At USR1 it loops and accepts no more. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int argument_count;
static char **arguments;
static const char *number;
static long long nowhere[2];
static long long *counts = nowhere; /* accepted, answered */

/* The value of the word with that name; NULL if it was not given. */
static const char *word(const char *name) {
    const size_t length = strlen(name);
    for (int i = 2; i < argument_count; i++)
        if (!strncmp(arguments[i], name, length)) return arguments[i] + length;
    return NULL;
}

static long value(const char *name) {
    const char *text = word(name);
    return text ? atol(text) : 0;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1000 + (double)time.tv_nsec / 1e6;
}

static void rest(long ms) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void loop(int signal_number) {
    (void)signal_number;
    for (volatile int i = 0;; i++) {
    }
}

static void *live(void *none) {
    rest(value("life="));
    _exit((int)value("status="));
    return none;
}

static void say_ready(void) {
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!name || strlen(name) >= sizeof(address.sun_path)) return;
    memcpy(address.sun_path, name, strlen(name));
    if (*name == '@') *address.sun_path = '\0';
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
    close(fd);
}

static void *prepare(void *none) {
    char name[4096];
    rest(value("late="));
    say_ready();
    snprintf(name, sizeof(name), "%s.%d", word("file="), (int)getpid());
    if (word("file=")) close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    return none;
}

/* A mapped file outlives KILL. */
static void count_in(const char *prefix) {
    char name[4096];
    snprintf(name, sizeof(name), "%s.%d", prefix, (int)getpid());
    const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, sizeof(nowhere))) abort();
    counts = mmap(NULL, sizeof(nowhere), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED) abort();
    close(fd);
}

static void *serve(void *given) {
    const int client = (int)(long)given;
    char got[64];
    if (word("work") && read(client, got, sizeof(got)) < 0) perror("read");
    const int length = dprintf(client, "pid %d copy %s\n", (int)getpid(), number);
    __atomic_add_fetch(&counts[1], length > 0, __ATOMIC_RELAXED);
    while (word("hold") && read(client, got, sizeof(got)) > 0) {
    }
    close(client);
    return NULL;
}

static void start(void *(*function)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, argument)) abort();
    pthread_detach(thread);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc < 2) return 2;
    argument_count = argc;
    arguments = argv;
    number = getenv("REUSEPORT_INSTANCE") ? getenv("REUSEPORT_INSTANCE") : "-";
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, loop);
    if (word("uid=") && setuid((uid_t)value("uid="))) return 2;
    if (word("count=")) count_in(word("count="));
    if (word("life=")) start(live, NULL);
    rest(value("deaf="));
    address.sin_port = htons((in_port_t)atoi(argv[1]));
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
        listen(listener, word("queue=") ? (int)value("queue=") : SOMAXCONN)) {
        perror("serve");
        return 1;
    }
    const double ready = now() + (double)value("late=");
    start(prepare, NULL);
    for (;;) {
        rest(value("slow="));
        const int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        __atomic_add_fetch(&counts[0], 1, __ATOMIC_RELAXED);
        if (now() < ready) printf("early %s\n", number);
        if (word("hold"))
            start(serve, (void *)(long)client);
        else
            serve((void *)(long)client);
    }
}
