"""A Hugging Face hub of a few small models on loopback, with the faults that a real one shows.

    hub.py LOG

Prints `PORT STORE_PORT`: the hub, and the store of large files that it redirects to (as the real hub
does, another host). Appends a line to LOG for each request: METHOD PATH RANGE AUTHORIZATION.
"""

import hashlib
import http.server
import sys
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 1200
SMALL = {"config.json": b'{"model_type": "bert"}', "vocab.txt": b"[PAD]\n[UNK]\n"}
SHARDS = {f"model-0000{i}-of-00002.safetensors": WEIGHTS[: 1000 * i] for i in (1, 2)}
INDEX = b'{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
MODELS = {
    "org/tiny": SMALL | {"model.safetensors": WEIGHTS, "tokenizer.json": b"{}"},
    "org/sharded": SMALL | SHARDS | {"model.safetensors.index.json": INDEX},
    "org/escaping": SMALL | {"model.safetensors.index.json": b'{"w": "../../etc/model.safetensors"}'},
    "org/truncated": SMALL | {"model.safetensors": WEIGHTS},
    "org/no-ranges": SMALL | {"model.safetensors": WEIGHTS},
    "org/corrupt": SMALL | {"model.safetensors": WEIGHTS},
    "org/broken": SMALL | {"model.safetensors": WEIGHTS},
    "org/gated": SMALL | {"model.safetensors": WEIGHTS},
    "org/pickled": SMALL | {"pytorch_model.bin": b"?"},
    "org/no-tokenizer": {"config.json": b"{}", "model.safetensors": WEIGHTS},
}
RENAMED = {"old-name": "org/tiny"}
broken_off = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self):
        entry = [self.command, self.path, self.headers.get("Range", "-"), self.headers.get("Authorization", "-")]
        with open(sys.argv[1], "a") as log:
            log.write(" ".join(entry) + "\n")

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()


class Hub(Handler):
    def do_GET(self):
        self.note()
        model, _, rest = self.path[1:].partition("/resolve/")
        revision, _, name = rest.partition("/")
        if model in RENAMED:
            return self.answer(307, Location=f"/{RENAMED[model]}/resolve/{rest}")
        if revision not in ("main", COMMIT):
            return self.answer(404)
        if model == "org/gated" and self.headers.get("Authorization") != "Bearer secret":
            return self.answer(401)
        body = MODELS.get(model, {}).get(name)
        if body is None:
            return self.answer(404, X_Repo_Commit=COMMIT)
        if not name.endswith(".safetensors"):
            return self.answer(200, body, ETag='"git"', X_Repo_Commit=COMMIT)
        digest = hashlib.sha256(b"other" if model == "org/corrupt" else body).hexdigest()
        self.answer(
            302,
            Location=f"http://localhost:{store.server_port}/{model}/{name}",
            X_Linked_Etag=f'"{digest}"',
            X_Linked_Size=str(len(body)),
            X_Repo_Commit=COMMIT,
        )


class Store(Handler):
    def do_GET(self):
        self.note()
        model, _, name = self.path[1:].rpartition("/")
        body, first = MODELS[model][name], 0
        wanted = self.headers.get("Range", "")
        if wanted and model != "org/no-ranges":
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
        breaks = model == "org/broken" or model in ("org/truncated", "org/no-ranges") and model not in broken_off
        broken_off.add(model)
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        self.wfile.write(body[first : first + (len(body) - first) // 2 if breaks else None])
        if breaks:
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may hang up
            super().handle_error(request, client_address)


hub = Server(("127.0.0.1", 0), Hub)
store = Server(("127.0.0.1", 0), Store)
threading.Thread(target=store.serve_forever, daemon=True).start()
print(hub.server_port, store.server_port, flush=True)
hub.serve_forever()
