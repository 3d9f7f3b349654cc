"""An example application: whoever looks at a workflow through a WebSocket gets each new name that somebody gives it."""

import asyncio
import os
from collections.abc import AsyncIterator

import asyncpg
from aiohttp import WSCloseCode, WSMsgType, web

# Every column, as an ORM writes it: in the incident, one that a migration had dropped made each connection fail.
AUTHORIZE = "SELECT id, name, color, updated_at FROM workflow WHERE id = $1"
PERMISSION = "SELECT permission_type FROM permissions WHERE user_id = $1 AND entity_id = $2"
RENAME = "UPDATE workflow SET name = $2, updated_at = now() WHERE id = $1 RETURNING id, name, color, updated_at"

POOL: "web.AppKey[asyncpg.Pool[asyncpg.Record]]" = web.AppKey("POOL")
SOCKETS: web.AppKey[dict[web.WebSocketResponse, str]] = web.AppKey("SOCKETS")


async def health(request: web.Request) -> web.Response:
    """Say that the process runs, and nothing of the database: a restart mends no schema."""
    return web.Response(text="ok\n")


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Let in whoever names a workflow that exists; with the permission to write, a message is its new name."""
    pool, sockets = request.app[POOL], request.app[SOCKETS]
    workflow = request.query.get("workflow", "")
    row = await pool.fetchrow(AUTHORIZE, workflow)
    if row is None:
        raise web.HTTPForbidden(text="no such workflow\n")
    permission = await pool.fetchval(PERMISSION, request.query.get("user", ""), workflow)
    connection = web.WebSocketResponse(heartbeat=30)
    await connection.prepare(request)
    sockets[connection] = workflow
    try:
        await connection.send_json(_shown(row))
        async for message in connection:
            if message.type is WSMsgType.TEXT and permission in ("admin", "write"):
                row = await pool.fetchrow(RENAME, workflow, message.data)
                others = [other for other, looked_at in sockets.items() if row and looked_at == workflow]
                await asyncio.gather(*(other.send_json(_shown(row)) for other in others), return_exceptions=True)
    finally:
        del sockets[connection]
    return connection


def _shown(row: asyncpg.Record | None) -> dict[str, str]:
    return {name: str(value) for name, value in (row or {}).items()}


async def _pool(app: web.Application) -> AsyncIterator[None]:
    # No connection at the start: the process comes up without its database, and looks healthy.
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=0, command_timeout=10) as app[POOL]:
        yield


async def _close(app: web.Application) -> None:
    sockets = app[SOCKETS]
    going = (connection.close(code=WSCloseCode.GOING_AWAY) for connection in tuple(sockets))
    await asyncio.gather(*going, return_exceptions=True)


def main() -> None:
    """Serve until SIGTERM, then tell every client to go elsewhere."""
    app = web.Application()
    app[SOCKETS] = {}
    app.router.add_get("/health", health)
    app.router.add_get("/socket", socket)
    app.cleanup_ctx.append(_pool)
    app.on_shutdown.append(_close)
    web.run_app(app, port=int(os.environ.get("PORT", "3002")), shutdown_timeout=10)


if __name__ == "__main__":
    main()
