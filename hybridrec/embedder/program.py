"""The program that embeds: it imports torch once and forks a process for each socket.

    python -P -m hybridrec.embedder.program FD...

It is a program of its own, so that nothing of the caller's runs in it: neither its main script,
which may lack a guard, nor its exit handlers. Each process serves one socket, one file at a time,
until the caller closes it; a process that dies is replaced. The first socket brings the settings
for all. The messages back are

    {"ready": PID}                 a process can be asked
    {"begun": N}                   it has read the request with that number
    {"answer": N, ...}             what became of the file
    {"died": true}                 the process died, and another follows
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from hybridrec.config import AudioLimits
from hybridrec.embedder import worker
from hybridrec.embedder.messages import pack_file, receive, send, unpack_bytes


def main(descriptors: list[int]) -> None:
    """Serve each socket from a process of its own until all of them are closed."""
    # Ctrl-C reaches all processes of a terminal; the caller ends this one by its sockets.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    setup = receive(sockets[0])
    if setup is None:
        return
    limits = AudioLimits.from_dict(setup["limits"])
    worker.load(unpack_bytes(setup["checkpoint"]), limits, frozenset(setup["known"]))
    worker.silence_decoders()
    serving = {_fork(one, sockets): one for one in sockets}
    while serving:
        ended, status = os.wait()
        one = serving.pop(ended)
        if os.waitstatus_to_exitcode(status) == 0:
            one.close()
            continue
        try:
            send(one, {"died": True})
        except OSError:  # the caller has closed the socket
            continue
        serving[_fork(one, sockets)] = one


def _fork(own: socket.socket, sockets: list[socket.socket]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        for other in sockets:
            if other is not own:
                other.close()
        _serve(own)
        code = 0
    except OSError:  # the caller has closed the socket
        code = 0
    finally:
        os._exit(code)  # without the exit handlers of the parent process


def _serve(own: socket.socket) -> None:
    worker.bound_memory()
    send(own, {"ready": os.getpid()})
    while (request := receive(own)) is not None:
        send(own, {"begun": request["number"]})
        path = Path(os.fsdecode(unpack_bytes(request["path"])))
        file = worker.embed_file(path, request["filename"])
        send(own, {"answer": request["number"], **pack_file(file)})


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
