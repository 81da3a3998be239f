"""The reference library of Standard Webhooks, on both ends.

receive PORT CERTIFICATE KEY SECRET-FILE...: over https; prints what verifies under the first secret that fits, and answers 204.
send URL ROOT SECRET-FILE ID BODY [SECONDS-AGO]: signs and posts; prints status and body.
"""

import datetime
import http.server
import pathlib
import ssl
import sys
import urllib.error
import urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def secret(path):
    return pathlib.Path(path).read_text().strip()


def receive(port, certificate, key, *secrets):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            good = []
            for number, path in enumerate(secrets):
                try:
                    message = Webhook(secret(path)).verify(body, dict(self.headers))
                    good.append(f"{number}:{message['type']}:{','.join(message['data'].get('devices', []))}")
                except (WebhookVerificationError, FileNotFoundError):
                    pass
            signatures = len(self.headers["webhook-signature"].split(" "))
            print(f"{signatures} signatures, {' '.join(good) or 'none verifies'}", flush=True)
            self.send_response(204 if good else 401)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def send(url, root, path, identifier, body, ago="0"):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=int(ago))
    headers = {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret(path)).sign(identifier, at, body),
    }
    request = urllib.request.Request(url, body.encode(), headers)
    try:
        answer = urllib.request.urlopen(request, context=ssl.create_default_context(cafile=root), timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    print(f"status {answer.status}", answer.read().decode())


{"receive": receive, "send": send}[sys.argv[1]](*sys.argv[2:])
