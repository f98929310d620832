#!/usr/bin/env bats
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# Who is this process: names are chosen by their bearers, and neither a name nor a socket makes a stranger part of
# a server.

load replacement

# impostor NAME ADDRESS PORT: as nobody, a process of that name, with \n as printf(1) takes them, that listens
# there.
impostor() {
    cat >impostor.py <<'END'
import ctypes, socket, sys, time
name = sys.argv[1].encode().decode("unicode_escape").encode("latin-1")
assert ctypes.CDLL(None).prctl(15, name, 0, 0, 0) == 0  # PR_SET_NAME
server = socket.create_server((sys.argv[2], int(sys.argv[3])), backlog=16)
time.sleep(600)
END
    local before
    before=$(listeners "$3")
    spawn impostor setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 impostor.py "$@"
    wait_until listeners_are "$3" $((before + 1))
}

# never_listens: a COMMAND for replace that does not come up, and says when it has been started.
never_listens=(sh -c 'echo started; exec tail -f /dev/null')

@test "a name that makes its bearer a child of replace does not make it the new server" {
    need_root
    need setpriv
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn replace "$COMMAND" replace --start-timeout 3 "$SERVER" "${never_listens[@]}"
    local replace=$PID
    wait_until grep -q started "$(log replace)"
    impostor "x) S $replace\\n" 127.0.0.2 "$PORT"
    status=0
    wait "$replace" || status=$?
    cat "$(log replace)"
    [ "$status" = 125 ]
    grep -q "does not listen on all ports after 3 seconds; pid $SERVER serves as before" "$(log replace)"
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 20
    [ "$output" = "$SERVER 20" ]
}

@test "a name that makes its bearer a descendant of the old server does not give that its ports" {
    need_root
    need setpriv
    local other
    lease_port other
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    impostor "x) S $SERVER\\n" 127.0.0.1 "$other"
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    [[ $(<out) == *" on 127.0.0.1:$PORT/tcp" ]]
}

@test "adopt PORT PID finds a process whose name has a newline, brackets, or a line of /proc/PID/status in it" {
    need_root
    need setpriv
    local name
    for name in 'a\n' ') Z 1\n' '\nTgid:\t1\nPPid:1' '(((((' '\\\n\x01\x7f\xff' 'fifteen bytes!!'; do
        impostor "$name" 127.0.0.1 "$PORT"
        run "$COMMAND" adopt "$PORT" "$PID"
        echo "$status: $output"
        [ "$status" = 0 ]
        [[ $output =~ ^127.0.0.1:$PORT/tcp:\ pid\ $PID\ \([\ -~]+\)\ shares\ it\ now$ ]]
        stop_all
    done
}
