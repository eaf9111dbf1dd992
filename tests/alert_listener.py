"""A web server that keeps the alerts it gets."""

import http.server
import json
from typing import Any


class Listener(http.server.ThreadingHTTPServer):
    """A webhook that stores its requests."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Ear)

    def alerts_of(self, run: Any) -> list[dict[str, Any]]:
        return [each for each in self.heard if each["run_id"] == str(run)]


class Ear(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Listener)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(json.loads(body) | {"path": self.path})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
