"""QUIC by aioquic, as server and as client.

quic.py serve CERTIFICATE KEY ADDRESS...: listens on UDP port 443 of each address, says `listening` and stays.
quic.py ask ADDRESS: one handshake; prints `{"connected", "error"}`, the error being what the socket said, by its name.
"""

import asyncio, errno, json, ssl, sys

from aioquic.asyncio import serve
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection


class Refusable(QuicConnectionProtocol):
    """A client that listens to ICMP, as browsers do: aioquic itself waits until it is tired."""

    def __init__(self, connection):
        super().__init__(connection)
        self.refused = asyncio.get_running_loop().create_future()

    def error_received(self, error):
        if not self.refused.done():
            self.refused.set_result(errno.errorcode.get(error.errno, str(error)))


async def ask(address):
    settings = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="site.example", verify_mode=ssl.CERT_NONE)
    connection = QuicConnection(configuration=settings)
    # A connected socket is told of ICMP errors.
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Refusable(connection), remote_addr=(address, 443)
    )
    client.connect(transport.get_extra_info("peername"))
    connected = asyncio.ensure_future(client.wait_connected())
    async with asyncio.timeout(30):
        await asyncio.wait([connected, client.refused], return_when=asyncio.FIRST_COMPLETED)
    refused = client.refused.result() if client.refused.done() else None
    print(json.dumps({"connected": connected.done() and refused is None, "error": refused}))
    connected.cancel()
    transport.abort()


async def listen(certificate, key, addresses):
    settings = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    settings.load_cert_chain(certificate, key)
    for address in addresses:
        await serve(address, 443, configuration=settings)
    print("listening", flush=True)
    await asyncio.Event().wait()


match sys.argv[1:]:
    case ["ask", address]:
        asyncio.run(ask(address))
    case ["serve", certificate, key, *addresses]:
        asyncio.run(listen(certificate, key, addresses))
