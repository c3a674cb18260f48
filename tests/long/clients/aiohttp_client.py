import aiohttp, asyncio


async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get("https://site.example/small") as answer:
            assert await answer.text() == "hello from upstream\n"

        async def pieces():
            for _ in range(3):
                yield b"x" * 100_000

        async with session.post("https://site.example/upload", data=pieces()) as answer:
            assert await answer.text() == "300000"
        async with session.ws_connect("https://site.example/ws") as socket:
            await socket.send_str("hello")
            assert (await socket.receive()).data == "hello"
        async with session.post("https://paste.example/upload", data=b"x" * 200_000) as refused:
            assert refused.status == 403, refused
            print(await refused.text())


asyncio.run(main())
