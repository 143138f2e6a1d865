# SPDX-License-Identifier: Apache-2.0
"""A venue on loopback that answers paths with what it is given, as JSON, and notes requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = Any | Callable[[dict[str, Any]], Any]


@contextmanager
def served(answers: Mapping[str, Answer]) -> Iterator[str]:
    """The venue's address. `answers` by the end of a path; a callable is given the parameters."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self._say(url.path, dict(parse_qsl(url.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._say(urlsplit(self.path).path, json.loads(body or b"{}"))

        def _say(self, path: str, params: dict[str, Any]) -> None:
            found = [said for end, said in answers.items() if path.endswith(end)]
            said = found[0] if found else None
            body = json.dumps(said(params) if callable(said) else said).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
