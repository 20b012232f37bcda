"""A server that speaks TLS, in a process of its own. Usage: tls_server.py KEY CERTIFICATE [AUTHORITY]. Prints its port.

With an AUTHORITY it asks its clients for a certificate that this one signed.

Its answer to any path is `secret`, with the request's Authorization in X-Got-Authorization; to /503 it is an error, and
to /never it waits for ten seconds. It closes before it has read a POST. /as/CODING says in its Content-Encoding what it is not.
"""

import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/never":
            time.sleep(10)
        body = b"soon" if self.path == "/503" else b"secret"
        self.send_response(503 if self.path == "/503" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Got-Authorization", self.headers.get("Authorization", "none"))
        if self.path.startswith("/as/"):
            self.send_header("Content-Encoding", self.path.removeprefix("/as/"))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(1)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[1])
    if len(sys.argv) > 3:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()
