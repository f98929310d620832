/* SPDX-License-Identifier: MIT */
/* Closes descriptor 2, opens the file of its first argument in its place, and binds to the port of
 * its second, which may be in use: nobody else may write to that file. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (argc != 3) return 2;
    address.sin_port = htons((in_port_t)atoi(argv[2]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    close(STDERR_FILENO);
    if (open(argv[1], O_RDWR | O_CREAT, 0600) != STDERR_FILENO) return 3;
    const int result =
        bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
    return result ? 1 : 0;
}
