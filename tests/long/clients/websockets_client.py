import asyncio, websockets


async def main():
    async with websockets.connect("wss://site.example/ws") as socket:
        for message in ["hello", b"l" * 100_000]:
            await socket.send(message)
            assert await socket.recv() == message
    try:
        await websockets.connect("wss://paste.example/ws")
    except websockets.InvalidStatus as refused:
        assert str(refused) == "server rejected WebSocket connection: HTTP 403", refused
        print(refused.response.body.decode())


asyncio.run(main())
