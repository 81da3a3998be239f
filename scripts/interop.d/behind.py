"""The application behind a server that does TLS: answers every request with the headers that name the client."""

import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = [f"{k}: {v}\n" for k, v in self.headers.items() if k.lower().startswith("x-")]
        body = "".join(["hello\n", *names]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
