import grpc


def plain(bytes):
    return bytes


with grpc.secure_channel("site.example:443", grpc.ssl_channel_credentials()) as channel:
    count = channel.unary_stream("/lab.Echo/Count", plain, plain)
    assert list(count(b"", timeout=10)) == [b"%d" % number for number in range(100)]
    # A message is heard while the call goes on; then its time is over.
    silence = channel.unary_stream("/lab.Echo/Silence", plain, plain)(b"", timeout=4)
    assert next(silence) == b"listen"
    try:
        raise AssertionError(next(silence))
    except grpc.RpcError as late:
        assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED, late
    # The channel is as good as before.
    assert len(list(count(b"", timeout=10))) == 100
