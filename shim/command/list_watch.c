/* SPDX-License-Identifier: MIT */
/* reuseport list --watch: looks each second and shows it, on a terminal in place. */
#include "command/list_watch.h"
#include "base/clock.h"
#include "base/die.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* A look costs at most one part in so many of the time. */
enum { SHARE = 5 };

/* As terminfo(5) has them for all terminals in use: home, clear to the end of the line and of the
 * screen. */
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

static bool on_terminal;

/* Nothing is to be restored but the line: the cursor stands below the table. */
static void end(int number) {
    (void)number;
    if (on_terminal && write(STDOUT_FILENO, "\n", 1) < 0) _exit(0);
    _exit(0);
}

/* Interrupts poll(2). */
static void wake(int number) {
    (void)number;
}

static void set_handlers(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = end}, before;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        /* Background jobs of scripts, and nohup(1), have them ignored. */
        if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    action.sa_handler = wake;
    if (on_terminal) sigaction(SIGWINCH, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static void write_all(const char *text, size_t length) {
    while (length) {
        const ssize_t written = write(STDOUT_FILENO, text, length);
        if (written < 0 && errno == EPIPE) exit(0);
        if (written < 0 && errno != EINTR) rp_die("standard output: %s", strerror(errno));
        text += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
}

static struct winsize terminal_size(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size)) memset(&size, 0, sizeof(size));
    if (!size.ws_col) size.ws_col = 80;
    if (!size.ws_row) size.ws_row = 24;
    return size;
}

/* Prints the lines, cut at the edge. The last one of the screen stays empty, for the cursor; if
 * there are too many, the one above says how many more. */
static void print_lines(FILE *out, const char *text, struct winsize size) {
    const size_t room = size.ws_row > 1 ? size.ws_row - 1U : 1;
    char more[40];
    size_t count = 0;
    for (const char *at = text; *at; at++) count += *at == '\n';
    const size_t shown = count > room ? room - 1 : count;
    for (size_t i = 0; i < shown; i++) {
        const size_t length = strcspn(text, "\n");
        fprintf(out, CLEAR_LINE "%.*s\n", length < size.ws_col ? (int)length : size.ws_col, text);
        text += length + 1;
    }
    snprintf(more, sizeof(more), "(%zu more)", count - shown);
    if (shown < count) fprintf(out, CLEAR_LINE "%.*s\n", size.ws_col, more);
}

static void draw(const char *text, struct winsize size) {
    char *picture;
    size_t length;
    FILE *out = open_memstream(&picture, &length);
    if (!out) rp_die("%s", strerror(errno));
    fputs(HOME, out);
    print_lines(out, text, size);
    fputs(CLEAR_BELOW, out);
    if (fclose(out)) rp_die("%s", strerror(errno));
    write_all(picture, length);
    free(picture);
}

static void show(const struct rp_watch *watch, bool json, bool first) {
    const struct winsize size = terminal_size();
    char *text = json ? rp_watch_json(watch) : rp_watch_table(watch, on_terminal ? size.ws_col : 0);
    if (on_terminal) {
        draw(text, size);
    } else {
        if (!json && !first) write_all("\n", 1);
        write_all(text, strlen(text));
    }
    free(text);
}

/* Returns false at once if the terminal's size changes. Exits if stdout's reader has gone. */
static bool wait_until(double then) {
    struct pollfd reader = {.fd = STDOUT_FILENO};
    const double left = then - rp_now();
    const int ready = left > 0 ? poll(&reader, 1, (int)(1000 * left) + 1) : 0;
    if (ready > 0) exit(0);
    return !ready;
}

void rp_list_watch(const struct rp_selection *selection, bool json) {
    struct rp_watch watch = {.selection = *selection};
    const char *kind = getenv("TERM");
    on_terminal = !json && isatty(STDOUT_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
    set_handlers();
    for (bool first = true;; first = false) {
        const double begin = rp_now();
        rp_watch_look(&watch);
        const double cost = SHARE * (rp_now() - begin);
        do show(&watch, json, first);
        while (!wait_until(begin + (cost > 1 ? cost : 1)));
    }
}
