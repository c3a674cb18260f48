#!/usr/bin/env python3
"""The outside world of the demo: a resolver, a model provider, a paste site, a site whose certificate has expired, a
database and a time server, all on documentation addresses of both families inside one network namespace. Everything it hears is written to a
log, so that the demo can show what did and what did not get out. Ends with its standard input."""
import json
import signal
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESSES = {
    "api.model.example": "192.0.2.10",
    "paste.example": "192.0.2.20",
    "old.example": "192.0.2.30",
    "db.example": "192.0.2.40",
    "time.example": "192.0.2.50",
    "revoked.example": "192.0.2.60",
    "api.openai.com": "192.0.2.70",
    "tools.example": "192.0.2.80",
    "rebound.example": "10.9.9.9",
}


def places(address):
    """Where something stands: at its address, and what is outside at the one of IPv6 that ends as it does too."""
    other = address.replace("192.0.2.", "2001:db8:1::")
    return [(address, socket.AF_INET)] + [(other, socket.AF_INET6)] * (other != address)


LOG, PKI = sys.argv[1], sys.argv[2]
LOCK = threading.Lock()


def heard(what):
    with LOCK, open(LOG, "a", encoding="utf-8") as log:
        log.write(what + "\n")


def resolver():
    """Answers A and AAAA queries for the names above, NXDOMAIN for all else (RFC 1035)."""
    return listening("192.0.2.53", 53, resolve)


def listening(address, port, serve):
    """What serves datagrams to this port, over each family."""
    servers = []
    for here, family in places(address):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind((here, port))
        servers.append(lambda server=server: serve(server))
    return servers


def resolve(server):
    while True:
        query, client = server.recvfrom(4096)
        at, labels = 12, []
        while at < len(query) and query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
            at += query[at] + 1
        question, kind = query[12 : at + 5], query[at + 1 : at + 3]
        name = ".".join(labels).lower()
        address = ADDRESSES.get(name)
        heard(f"dns {name}")
        answers = b""
        wanted = {b"\0\1": socket.AF_INET, b"\0\x1c": socket.AF_INET6}.get(kind)
        for here, family in places(address) if address else ():
            if family == wanted:
                data = socket.inet_pton(family, here)
                answers = b"\xc0\x0c" + kind + b"\0\1" + struct.pack(">IH", 60, len(data)) + data
        flags = 0x8180 if address else 0x8183
        head = query[:2] + struct.pack(">HHHHH", flags, 1, 1 if answers else 0, 0, 0)
        server.sendto(head + question + answers, client)


COST = {"prompt_tokens": 23, "completion_tokens": 5, "total_tokens": 28}


def spoken(words):
    """A chat completion as OpenAI streams it: a word an event, and what it has cost at the end."""
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-mini-2024-07-18"}
    for word in words:
        yield {**common, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
    yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield {**common, "choices": [], "usage": COST}


def written():
    """The same as a whole."""
    message = {"role": "assistant", "content": "Nothing leaves unseen."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices": choices, "usage": COST}


def tool(asked):
    """What an MCP server says to a message: it has two tools."""
    if asked.get("method") == "tools/list":
        tools = [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in ("search", "delete_everything")]
        return {"jsonrpc": "2.0", "id": asked.get("id"), "result": {"tools": tools}}
    return {"jsonrpc": "2.0", "id": asked.get("id"), "result": {"content": [{"type": "text", "text": "found: nothing"}]}}


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        heard(f"http {self.command} {self.headers.get('Host')}{self.path} {len(body)} bytes")
        if self.path == "/v1/think":
            # Thinks as long as somebody listens.
            try:
                self.rfile.read(1)
            except OSError:
                pass
            heard("nobody listens any more")
            self.close_connection = True
            return
        if self.path == "/mcp":
            asked = json.loads(body)
            heard(f"mcp {asked.get('method')} {asked.get('params', {}).get('name', '')}")
            return self.whole(tool(asked))
        asked = json.loads(body) if self.path.partition("?")[0] == "/v1/chat/completions" else {}
        if asked and not asked.get("stream"):
            # A model thinks; whoever asks meanwhile asks beside it.
            time.sleep(1)
            return self.whole(written())
        if asked:
            novel = "novel" in asked["messages"][0]["content"]
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for event in spoken(["It was a dark and stormy night. "] * 5000 if novel else ("Nothing ", "leaves ", "unseen.")):
                    self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                heard("nobody reads the novel any more")
            return
        key = self.headers.get("X-Api-Key", "none")
        heard(f"key {key}")
        # As debug pages do, it repeats what it was given.
        self.whole({"model": "demo-1", "says": "hello from the outside", "your key": key})

    def whole(self, answer):
        text = json.dumps(answer).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


def site(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{PKI}/{name}.pem")
    context.set_alpn_protocols(["http/1.1"])
    servers = []
    for here, family in places(ADDRESSES[name]):
        kind = type("Server", (ThreadingHTTPServer,), {"address_family": family})
        server = kind((here, 443), Site)
        server.handle_error = lambda *_: None  # a gateway that does not trust the certificate hangs up
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        servers.append(server.serve_forever)
    return servers


def database():
    """A server that speaks first, as MySQL, SMTP and SSH do."""
    servers = [socket.create_server((here, 5432), family=family) for here, family in places(ADDRESSES["db.example"])]
    return [lambda server=server: greet(server) for server in servers]


def greet(server):
    while True:
        connection, _ = server.accept()
        heard("tcp db.example:5432")
        connection.sendall(b"demo database, ready\n")
        connection.close()


def clock():
    """An NTP server (RFC 5905) that knows the second."""
    return listening(ADDRESSES["time.example"], 123, tick)


def tick(server):
    while True:
        query, client = server.recvfrom(512)
        heard("udp time.example:123")
        stamp = struct.pack(">II", int(time.time()) + 2208988800, 0)
        # Mode 4, server; stratum 1; what the client sent as its own time comes back as origin.
        server.sendto(b"\x24\x01" + bytes(22) + query[40:48] + stamp + stamp, client)


# Ctrl-C is for the demo, which ends this.
signal.signal(signal.SIGINT, signal.SIG_IGN)
# Everything listens before anything is said to be ready.
sites = [site(name) for name in ("api.model.example", "api.openai.com", "tools.example", "paste.example", "old.example")]
for serve in sum([resolver(), database(), clock(), *sites], []):
    threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
