"""An MCP server made with the Python SDK, of whichever version it runs with: `mcp_server.py ADDRESS PORT CERTIFICATE KEY [json]`.

Three tools, each of which says its name and what it was given. Without `json` it answers in events.
"""

import sys

import uvicorn

try:
    from mcp.server import MCPServer as Server
except ImportError:  # version 1
    from mcp.server.fastmcp import FastMCP as Server
from mcp.server.transport_security import TransportSecuritySettings

address, port, certificate, key, *rest = sys.argv[1:]
options = {
    "json_response": "json" in rest,
    # The name is the laboratory's, and what is forged in it is none of this server's business.
    "transport_security": TransportSecuritySettings(enable_dns_rebinding_protection=False),
}
if Server.__name__ == "FastMCP":
    server = Server("tools", **options)
    application = server.streamable_http_app
else:
    server = Server("tools")
    application = lambda: server.streamable_http_app(**options)


@server.tool()
def read_file(path: str) -> str:
    return f"read_file {path}"


@server.tool()
def send_mail(to: str) -> str:
    return f"send_mail {to}"


@server.tool(name="grüße_senden")
def send_greetings(to: str) -> str:
    return f"grüße_senden {to}"


uvicorn.run(
    application(),
    host=address,
    port=int(port),
    log_level="warning",
    ssl_certfile=certificate if certificate != "-" else None,
    ssl_keyfile=key if key != "-" else None,
)
