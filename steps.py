import socket, sys
for line in sys.stdin:
    server = socket.socket()
    server.bind(("127.0.0.1", int(line)))
    print("reuseport", server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT), flush=True)
