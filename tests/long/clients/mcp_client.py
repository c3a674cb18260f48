"""A client of MCP made with the Python SDK, of whichever version it runs with: `mcp_client.py URL [MODE]`.

Lists the tools of the server, calls three of them one after the other, and prints what came of each as JSON. `MODE` is
of version 2 alone: `auto`, `legacy` or a revision.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

CALLS = [("read_file", {"path": "/x"}), ("send_mail", {"to": "bob"}), ("grüße_senden", {"to": "bob"}), ("read_file", {"path": "/y"})]


@asynccontextmanager
async def session(url, mode):
    try:
        from mcp.client.client import Client
    except ImportError:  # version 1
        from mcp import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        async with streamablehttp_client(url) as (reader, writer, _), ClientSession(reader, writer) as client:
            begun = await client.initialize()
            yield client, begun.protocolVersion
        return
    async with Client(url, mode=mode) as client:
        yield client, client.protocol_version


def told(error):
    """What the SDK's own exception says; any other kind is a session that broke."""
    told = getattr(error, "error", None)
    if told is None:
        return {"broke": repr(error)}
    return {"error": told.code, "message": told.message, "data": told.data}


async def main(url, mode="auto"):
    async with session(url, mode) as (client, revision):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        calls = []
        for name, arguments in CALLS:
            try:
                result = await asyncio.wait_for(client.call_tool(name, arguments), 20)
                calls.append({"tool": name, "said": result.content[0].text})
            except Exception as error:
                calls.append({"tool": name, **told(error)})
        print(json.dumps({"revision": revision, "tools": tools, "calls": calls}))


asyncio.run(main(*sys.argv[1:]))
