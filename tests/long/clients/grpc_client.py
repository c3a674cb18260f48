import grpc, json, queue


def plain(bytes):
    return bytes


with grpc.secure_channel("site.example:443", grpc.ssl_channel_credentials()) as channel:
    say = channel.unary_unary("/lab.Echo/Say", plain, plain)
    assert say(b"hello", timeout=10) == b"hello"
    chat = channel.stream_stream("/lab.Echo/Chat", plain, plain)
    # The next message leaves when the one before it has come back: both directions are open at once.
    back = queue.SimpleQueue()

    def messages():
        for number in range(5):
            yield b"%d" % number * 1000
            back.get(timeout=10)

    heard = []
    for message in chat(messages(), timeout=10):
        heard.append(message)
        back.put(message)
    assert heard == [b"%d" % number * 1000 for number in range(5)], heard
    send = channel.stream_unary("/lab.Echo/Say", plain, plain)
    assert send(iter([b"one"]), timeout=10) == b"one"
    hear = channel.unary_stream("/lab.Echo/Chat", plain, plain)
    assert list(hear(b"x" * 300_000, timeout=10)) == [b"x" * 300_000]
with grpc.secure_channel("paste.example:443", grpc.ssl_channel_credentials()) as channel:
    try:
        channel.unary_unary("/lab.Echo/Say", plain, plain)(b"hello", timeout=10)
    except grpc.RpcError as refused:
        fields = dict(refused.trailing_metadata())
        assert refused.code() == grpc.StatusCode.PERMISSION_DENIED, refused
        print(json.dumps({
            "code": fields["x-clawgress-reason"], "request_id": fields["x-request-id"], "detail": refused.details(),
        }))
