"""A server that keeps what profilers send to a path: on 127.0.0.1, a port that is free, as long as the `with` lasts."""

import email.parser
import email.policy
import http.server
import threading


class Upload:
    """A request: its path, its headers, and the parts of its multipart body by name."""

    def __init__(self, path, headers, body):
        self.path, self.headers, self.parts = path, headers, {}
        if headers.get_content_maintype() == "multipart":
            head = b"Content-Type: " + headers["Content-Type"].encode("latin-1") + b"\r\n\r\n"
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
            for part in message.iter_parts():
                name = part.get_param("name", header="content-disposition")
                self.parts[name] = part.get_payload(decode=True)


class UploadServer:
    def __init__(self, kept_path):
        uploads = self.uploads = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                pieces = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return b"".join(pieces)

            def do_POST(self):
                body = self.body()
                known = self.path.startswith(kept_path)
                if known:
                    uploads.append(Upload(self.path, self.headers, body))
                self.answer(200 if known else 404)

            do_PUT = do_POST

            def do_GET(self):
                self.answer(404)

            def answer(self, status):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:{}".format(self.server.server_address[1])

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
