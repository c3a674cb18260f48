import asyncio, httpx, sys

client = httpx.Client(http2=sys.argv[1] == "2")
answer = client.get("https://site.example/small")
assert answer.text == "hello from upstream\n"
assert answer.http_version == {"1": "HTTP/1.1", "2": "HTTP/2"}[sys.argv[1]], answer.http_version
sent = client.post("https://site.example/upload", content=iter([b"x" * 100_000] * 3))
assert sent.text == "300000", sent.text


async def together():
    async with httpx.AsyncClient(http2=sys.argv[1] == "2") as client:
        answers = await asyncio.gather(*(client.get(f"https://site.example/download/{n}") for n in range(20)))
        assert [len(answer.content) for answer in answers] == list(range(20))


asyncio.run(together())
refused = client.post("https://paste.example/upload", content=b"x" * 200_000)
assert refused.status_code == 403, refused
print(refused.text)
