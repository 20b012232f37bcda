"""Forwards TCP connections to where they could not be made: `python forwarder.py ADDRESS PORT TARGET`.

TARGET is HOST:PORT or the path of a Unix socket. It is asked anew for each connection. Run as a program, or as its text
by `python -c` where this file is not.
"""

import socket
import sys
import threading


def connected(target: str) -> socket.socket:
    host, colon, port = target.rpartition(":")
    if colon:
        return socket.create_connection((host, int(port)))
    end = socket.socket(socket.AF_UNIX)
    end.connect(target)
    return end


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def main(address: str, port: str, target: str) -> None:
    listener = socket.create_server((address, int(port)))
    while True:
        client, _ = listener.accept()
        server = connected(target)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
