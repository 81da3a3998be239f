"""mTLS with certificates of Signet, for the ssl module of Python 3.9 and later.

  ca trust bundle --out /etc/signet/clients.pem     root and issuers; again after a change of issuer
  ca crl fetch    --out /etc/signet/crl.pem         every few minutes, from a timer; never puts an older list over a newer one

TLS 1.3 only: ssl offers no way to turn off the session cache of TLS 1.2, and a resumed session is not verified again, so that
a revoked device would keep its access. Every device is refused when a list is missing or has expired. A context is never told
of a new list: make a new one for each change, as `Trust` does at SIGHUP.
"""

import http.server
import os
import signal
import ssl
import sys

DIR = "/etc/signet"


def server_context() -> ssl.SSLContext:
    """The context for the files that lie in the directory now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Without tickets there is nothing that a TLS 1.3 client could resume.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    # This service's own certificate, with its issuer behind it.
    context.load_cert_chain(os.path.join(DIR, "server.pem"), os.path.join(DIR, "server.key"))
    # Root and issuers: many devices send their own certificate only.
    context.load_verify_locations(os.path.join(DIR, "clients.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    # The CRLs of all CAs, the root's own too. CHECK_CHAIN and not CHECK_LEAF, which believes a revoked issuer.
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    context.load_verify_locations(os.path.join(DIR, "crl.pem"))
    if context.cert_store_stats()["crl"] == 0:
        raise ssl.SSLError("crl.pem holds no CRL")
    return context


class Trust:
    """The context in force. What cannot be read changes nothing: the lists that are held still refuse when they expire."""

    def __init__(self) -> None:
        self.context = server_context()
        signal.signal(signal.SIGHUP, self.reload)

    def reload(self, *_: object) -> None:
        try:
            self.context = server_context()
        except (OSError, ValueError) as error:
            print(f"the old lists stay in force: {error}", file=sys.stderr, flush=True)


class Server(http.server.ThreadingHTTPServer):
    trust: Trust

    def finish_request(self, request, client_address):
        # In the connection's own thread: a device that is slow to shake hands stops nobody else.
        request.settimeout(60)
        try:
            tls = self.trust.context.wrap_socket(request, server_side=True)
        except OSError as error:
            print(f"refused: {error}", file=sys.stderr, flush=True)
            return
        with tls:
            self.RequestHandlerClass(tls, client_address, self)


class Handler(http.server.BaseHTTPRequestHandler):
    # An open connection is not verified again. HTTP/1.0, the default here, has one request in each.
    def do_GET(self):
        subject = dict(pair for part in self.connection.getpeercert()["subject"] for pair in part)
        body = f"hello, {subject['commonName']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = Server(("", 443), Handler)
    server.trust = Trust()
    server.serve_forever()

# After each 'ca crl-sync' or 'ca crl fetch': send SIGHUP to the process.
