#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A unit that reuseport replace has reloaded is as systemd would have started it: it stops gracefully, and is restarted.

load field

# graceful_server: notes its end, half a second after TERM.
graceful_server() {
    cat >graceful.py <<'END'
import os, signal, socket, sys, time
def end(*_):
    time.sleep(0.5)
    os.write(1, b"%d has finished\n" % os.getpid())
    os._exit(0)
signal.signal(signal.SIGTERM, end)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"pid %d\n" % os.getpid())
    connection.close()
END
    unit app.service <<END
[Service]
ExecStart=/usr/bin/python3 $PWD/graceful.py $PORT
ExecReload=/usr/local/bin/reuseport replace \$MAINPID /usr/bin/python3 $PWD/graceful.py $PORT
NotifyAccess=$1
StandardOutput=append:$PWD/app.log
StandardError=append:$PWD/app.log
Restart=on-failure
RestartSec=0
END
    in_systemd systemctl start app
    wait_until serves app
    in_systemd systemctl reload app
    wait_until serves app
}

@test "After a reload, systemctl stop waits for the new server as it did for the first" {
    local access main
    boot_systemd
    for access in all exec; do
        graceful_server $access
        main=$(property app MainPID)
        in_systemd systemctl stop app
        cat app.log
        grep -qx "$main has finished" app.log
        [ "$(property app Result)" = success ]
    done
}

@test "After a reload, Restart=on-failure starts a new server where the new one was killed" {
    boot_systemd
    graceful_server all
    local main
    main=$(property app MainPID)
    in_systemd kill -KILL "$main"
    restarted() { [ "$(property app NRestarts)" = 1 ] && serves app; }
    wait_until restarted
    [ "$(property app MainPID)" != "$main" ]
}

@test "After a reload, the new server knows of the watchdog, which would end it otherwise" {
    local main
    boot_systemd
    cat >dog.py <<'END'
import os, select, socket, sys
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
while True:
    if "WATCHDOG_USEC" in os.environ:
        notify.sendto(b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0"))
    if select.select([listener], [], [], 0.1)[0]:
        connection, _ = listener.accept()
        connection.sendall(b"pid %d\n" % os.getpid())
        connection.close()
END
    unit app.service <<END
[Service]
ExecStart=/usr/bin/python3 $PWD/dog.py $PORT
ExecReload=/usr/local/bin/reuseport replace \$MAINPID /usr/bin/python3 $PWD/dog.py $PORT
NotifyAccess=all
WatchdogSec=1
StandardOutput=append:$PWD/app.log
StandardError=append:$PWD/app.log
END
    in_systemd systemctl start app
    wait_until serves app
    in_systemd systemctl reload app
    main=$(property app MainPID)
    sleep 2 # the time that nothing may happen in
    [ "$(property app MainPID)" = "$main" ]
    [ "$(property app ActiveState)" = active ]
    serves app
}
