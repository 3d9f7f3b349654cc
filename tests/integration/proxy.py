"""A TCP proxy that cuts the connection after so many bytes of what the server says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class CuttingProxy:
    """Made by ``cutting_proxy``. Takes one connection at a time, as an attempt does."""

    def __init__(self, port: int) -> None:
        self.cut_after: int | None = None
        """Bytes of the server's that get through; None: all of them."""
        self.reset = False
        """End with RST and not with FIN."""
        self.said = b""
        """What the server said in the last connection, as far as it got through."""
        self._port = port

    async def handle(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.said = b""
        server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        asking = asyncio.create_task(self._ask(client, to_server))
        try:
            with contextlib.suppress(ConnectionError):
                await self._answer(server, to_client)
        finally:
            asking.cancel()
            await asyncio.wait((asking,))
            for writer in (to_client, to_server):
                if self.reset:
                    writer.transport.abort()
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    async def _ask(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await client.read(65536):
                to_server.write(data)
                await to_server.drain()
            to_server.write_eof()

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while data := await server.read(65536):
            left = len(data) if self.cut_after is None else self.cut_after - len(self.said)
            self.said += data[:left]
            to_client.write(data[:left])
            await to_client.drain()
            if len(self.said) == self.cut_after:
                return


@contextlib.asynccontextmanager
async def cutting_proxy(port: int) -> AsyncIterator[tuple[CuttingProxy, int]]:
    """Run a proxy to the server at ``port`` of loopback; yields it with its own port."""
    proxy = CuttingProxy(port)
    listener = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    async with listener:
        yield proxy, listener.sockets[0].getsockname()[1]
