"""HTTP/2 by an implementation of its own, frame by frame: the sans-io library `h2`, which complains of every rule that
the gateway breaks, and `hyperframe`, whose frames can break rules themselves. Prints the denial."""

import h2.config, h2.connection, h2.events, hpack, hyperframe.frame, socket, ssl, struct
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame, DataFrame, ExtensionFrame, GoAwayFrame, HeadersFrame, PingFrame, PriorityFrame, PushPromiseFrame,
    RstStreamFrame, SettingsFrame, WindowUpdateFrame,
)

PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 1, 3, 5, 6


def connected(host):
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    stream = context.wrap_socket(socket.create_connection((host, 443), timeout=10), server_hostname=host)
    assert stream.selected_alpn_protocol() == "h2"
    return stream


class Peer:
    def __init__(self, host):
        self.host, self.stream, self.events = host, connected(host), []
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        self.until(lambda event: isinstance(event, h2.events.RemoteSettingsChanged))

    def flush(self):
        self.stream.sendall(self.http.data_to_send())

    def until(self, wanted):
        """Takes events until one is wanted, which stays the last that was taken."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if isinstance(event, h2.events.DataReceived):
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                assert not isinstance(event, h2.events.ConnectionTerminated), event
                if wanted(event):
                    self.flush()
                    return event
            self.flush()
            received = self.stream.recv(65536)
            assert received, "the gateway has gone away"
            self.events += self.http.receive_data(received)

    def ask(self, method, path, *more, end=True, **priority):
        number = self.http.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "https"), (":authority", self.host), (":path", path), *more]
        self.http.send_headers(number, fields, end_stream=end, **priority)
        return number

    def send(self, number, body, end=True, pad=None):
        for start in range(0, len(body), 10_000):
            piece = body[start:start + 10_000]
            while self.http.local_flow_control_window(number) < len(piece) + 256:
                self.until(lambda event: isinstance(event, h2.events.WindowUpdated))
            last = start + len(piece) == len(body)
            self.http.send_data(number, piece, end_stream=end and last, pad_length=pad)
            self.flush()

    def head(self, number):
        answered = self.until(lambda event: isinstance(event, h2.events.ResponseReceived) and event.stream_id == number)
        return dict(answered.headers)

    def body(self, number, length=None):
        """What comes on a stream: so many bytes, or all until its end."""
        body = b""
        while length is None or len(body) < length:
            event = self.until(lambda event: getattr(event, "stream_id", None) == number)
            assert not isinstance(event, h2.events.StreamReset), event
            if isinstance(event, h2.events.DataReceived):
                body += event.data
            if isinstance(event, h2.events.StreamEnded):
                break
        return body


def requests(peer):
    number = peer.ask("GET", "/1MiB")
    assert peer.head(number)[":status"] == "200"
    assert len(peer.body(number)) == 1 << 20
    for pad in [None, 0, 255]:
        number = peer.ask("POST", "/upload", end=False, priority_weight=200, priority_depends_on=0)
        peer.send(number, b"x" * 300_000, pad=pad)
        assert peer.head(number)[":status"] == "200"
        assert peer.body(number) == b"300000"
    # Fields that fill more than one frame.
    number = peer.ask("GET", "/headers", *((f"x-{name}", "v" * 4000) for name in range(5)))
    assert peer.head(number)[":status"] == "200"
    assert peer.body(number).count(b"v" * 4000) == 5
    # Many at once, whose answers come as they come.
    left = {peer.ask("GET", f"/download/{size}"): size for size in range(0, 50_000, 1000)}
    sizes = dict.fromkeys(left, 0)
    while left:
        event = peer.until(lambda event: getattr(event, "stream_id", None) in left)
        if isinstance(event, h2.events.DataReceived):
            sizes[event.stream_id] += len(event.data)
        if isinstance(event, h2.events.StreamEnded):
            assert sizes[event.stream_id] == left.pop(event.stream_id)
    peer.http.ping(b"12345678")
    assert peer.until(lambda event: isinstance(event, h2.events.PingAckReceived)).ping_data == b"12345678"


def framed(opcode, payload, mask=b""):
    """One WebSocket frame (RFC 6455, section 5.2): masked as clients do, or not, as it comes back."""
    bit = 0x80 if mask else 0
    short = len(payload) < 126
    size = bytes([bit | len(payload)]) if short else struct.pack("!BQ", bit | 127, len(payload))
    return bytes([0x80 | opcode]) + size + mask + payload


def websocket(peer):
    assert peer.http.remote_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
    asked = [(":protocol", "websocket"), ("sec-websocket-version", "13")]
    open = lambda path: peer.ask("CONNECT", path, *asked, end=False)
    number = open("/ws")
    assert peer.head(number)[":status"] == "200"
    # A mask of zeros changes nothing, and is one.
    for opcode, message in [(1, b"hello"), (2, b"l" * 100_000)]:
        peer.send(number, framed(opcode, message, bytes(4)), end=False)
        expected = framed(opcode, message)
        assert peer.body(number, len(expected)) == expected
    peer.send(number, framed(8, b"\x03\xe8", bytes(4)), end=False)
    # nginx answers nothing to whoever has ended its side already.
    assert peer.body(number) == framed(8, b"\x03\xe8")
    peer.http.end_stream(number)
    assert peer.head(open("/vault/door"))[":status"] == "451"


def ends_with(frames, codes):
    """These frames behind a good beginning end the connection, or their stream, with one of these codes."""
    stream = connected("site.example")
    stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize())
    stream.sendall(b"".join(frame.serialize() for frame in frames))
    received = b""
    while True:
        while len(received) >= 9:
            frame, length = hyperframe.frame.Frame.parse_frame_header(memoryview(received[:9]))
            if len(received) < 9 + length:
                break
            frame.parse_body(memoryview(received[9:9 + length]))
            received = received[9 + length:]
            if isinstance(frame, (GoAwayFrame, RstStreamFrame)) and frame.error_code:
                assert frame.error_code in codes, (frames, frame)
                return
        some = stream.recv(65536)
        assert some, (frames, "no code")
        received += some


def on(stream_id, frame):
    """A frame on a stream where `hyperframe` would have none."""
    frame.stream_id = stream_id
    return frame


def rules():
    head = lambda method="GET": hpack.Encoder().encode([
        (":method", method), (":scheme", "https"), (":authority", "site.example"), (":path", "/events"),
    ])
    open = lambda stream=1: HeadersFrame(stream, head(), flags=["END_HEADERS", "END_STREAM"])
    half = HeadersFrame(1, head("POST"), flags=["END_HEADERS"])
    for frames, *codes in [
        ([DataFrame(1, b"x")], PROTOCOL_ERROR),
        ([half, on(0, DataFrame(1, b"x"))], PROTOCOL_ERROR),
        ([open(), DataFrame(1, b"x", flags=["END_STREAM"])], STREAM_CLOSED, PROTOCOL_ERROR),
        ([open(2)], PROTOCOL_ERROR),
        ([HeadersFrame(1, head()), PingFrame(0, b"12345678")], PROTOCOL_ERROR),
        ([ContinuationFrame(1, head(), flags=["END_HEADERS"])], PROTOCOL_ERROR),
        ([PushPromiseFrame(1, 2, head(), flags=["END_HEADERS"])], PROTOCOL_ERROR),
        ([RstStreamFrame(1, 8)], PROTOCOL_ERROR),
        ([on(1, PingFrame(0, b"12345678"))], PROTOCOL_ERROR),
        ([on(1, SettingsFrame(0))], PROTOCOL_ERROR),
        ([SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 31})], FLOW_CONTROL_ERROR, PROTOCOL_ERROR),
        ([SettingsFrame(0, {SettingsFrame.MAX_FRAME_SIZE: 100})], PROTOCOL_ERROR),
        ([WindowUpdateFrame(0, 0x7FFF_FFFF)], FLOW_CONTROL_ERROR),
        ([open(), WindowUpdateFrame(1, 0x7FFF_FFFF)], FLOW_CONTROL_ERROR),
        ([half, DataFrame(1, b"x" * 16_385)], FRAME_SIZE_ERROR, PROTOCOL_ERROR),
    ]:
        ends_with(frames, codes)
    # What must be ignored: the code that ends the connection is that of the frame behind it.
    for ignored in [ExtensionFrame(0xFA, 0), PriorityFrame(5), SettingsFrame(0, {0xABCD: 7})]:
        ends_with([ignored, open(), WindowUpdateFrame(0, 0x7FFF_FFFF)], [FLOW_CONTROL_ERROR])


peer = Peer("site.example")
requests(peer)
websocket(peer)
rules()
refused = Peer("paste.example")
number = refused.ask("POST", "/upload")
assert refused.head(number)[":status"] == "403"
print(refused.body(number).decode())
