"""A mirror on this machine that does what it is told to: refuse, be busy, break off, hang, know no ranges, change."""

import http.server
import threading
import time
from pathlib import Path


class Site(http.server.ThreadingHTTPServer):
    """Serves the files below a folder.

    Attributes:
        folder: with the files.
        faults: what the next answers are, each once: a status, ("busy", seconds), ("short", bytes), ("hang", seconds),
            ("no range", what it says of the size).
        gone: paths that it does not have, though they lie there.
        ranges: whether it heeds them.
        version: the ETag of every file.
        asked: path and range of every request.
        sent: bytes of bodies.
    """

    daemon_threads = True

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.faults, self.gone, self.ranges, self.version = folder, [], set(), True, "1"
        self.asked, self.sent = [], 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        """Say nothing of those who hang up."""

    @property
    def address(self):
        """Return where it is."""
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request, as its site says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Send a file, or a part."""
        site, path, wanted = self.server, self.path.lstrip("/"), self.headers["Range"]
        site.asked.append((path, wanted))
        kind, value = site.faults.pop(0) if site.faults else (None, None)
        if kind == "status" or path in site.gone or not (site.folder / path).is_file():
            return self.refuse(value if kind == "status" else 404)
        if kind == "busy":
            return self.refuse(503, {"Retry-After": str(value)})
        if kind == "no range":
            return self.refuse(416, {"Content-Range": f"bytes */{value}", "ETag": f'"{site.version}"'})
        if kind == "hang":
            time.sleep(value)
        content = (site.folder / path).read_bytes()
        start, stop = 0, len(content)
        if wanted and site.ranges:
            first, last = wanted.removeprefix("bytes=").split("-")
            start, stop = int(first), min(int(last) + 1, stop)
            if start >= len(content):
                return self.refuse(416, {"Content-Range": f"bytes */{len(content)}"})
        self.send_response(206 if wanted and site.ranges else 200)
        self.send_header("ETag", f'"{site.version}"')
        self.send_header("Content-Length", str(stop - start))
        if wanted and site.ranges:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        body = content[start : start + value] if kind == "short" else content[start:stop]
        site.sent += len(body)
        self.close_connection = kind == "short"
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):  # whoever asked has enough
            self.close_connection = True
        return None

    def refuse(self, status, headers=()):
        """Send a status and nothing else."""
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""
