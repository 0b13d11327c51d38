"""A server of HTTP/1.1 for tests of the client: it answers what the request asks it to.

usage: echo_server.py [CERTIFICATE KEY]

/echo               JSON: method, target as it came, fields, number of the connection, length and SHA-256 of the body
/bytes/N            N bytes of a pattern; Range is honoured
/chunked/N          the same without a length, in pieces of 10,000 bytes
/status/N           that status, with a short body
/fields/N           N fields of 100 bytes
/interim            103, then 200
/wait/NAME          does not answer until /release/NAME was asked for
/drip/NAME          one byte for each /release/NAME, ten in all
/hangup             ends the connection without reading the body or answering
/connections        how many connections were accepted
"""

import asyncio
import hashlib
import socket
import ssl
import sys

from aiohttp import web

PATTERN = bytes(range(251)) * 262144


def pattern(start: int, count: int) -> bytes:
    """The bytes from `start` of an endless row of 0, 1, … 250, 0, 1, …"""
    first = start % 251
    return PATTERN[first : first + count]


class Echo:
    def __init__(self) -> None:
        self.connections: dict[object, int] = {}
        self.gates: dict[str, asyncio.Semaphore] = {}

    def gate(self, request: web.Request) -> asyncio.Semaphore:
        return self.gates.setdefault(request.match_info["name"], asyncio.Semaphore(0))

    def number(self, request: web.Request) -> int:
        return self.connections.setdefault(request.transport, len(self.connections) + 1)

    @web.middleware
    async def count(self, request: web.Request, handler):
        self.number(request)
        return await handler(request)

    async def echo(self, request: web.Request) -> web.Response:
        digest, length = hashlib.sha256(), 0
        async for part in request.content.iter_any():
            digest.update(part)
            length += len(part)
        answer = {
            "method": request.method,
            "target": request.raw_path,
            "fields": [[name, value] for name, value in request.headers.items()],
            "connection": self.number(request),
            "length": length,
            "sha256": digest.hexdigest(),
        }
        return web.json_response(answer)

    async def bytes(self, request: web.Request) -> web.Response:
        count = int(request.match_info["count"])
        span = request.http_range
        start, stop = span.start or 0, min(span.stop or count, count)
        status = 206 if "Range" in request.headers else 200
        return web.Response(status=status, body=pattern(start, stop - start), headers={"ETag": '"pattern"'})

    async def chunked(self, request: web.Request) -> web.StreamResponse:
        count = int(request.match_info["count"])
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, count, 10_000):
            await response.write(pattern(start, min(10_000, count - start)))
        await response.write_eof()
        return response

    async def status(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=int(request.match_info["count"]), text="as you wish")

    async def fields(self, request: web.Request) -> web.Response:
        count = int(request.match_info["count"])
        return web.Response(headers={f"X-Field-{i:06}": "x" * 84 for i in range(count)}, text="many")

    async def interim(self, request: web.Request) -> web.Response:
        request.transport.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style>\r\n\r\n")
        return web.Response(text="final", headers={"X-Final": "yes"})

    async def wait(self, request: web.Request) -> web.Response:
        await self.gate(request).acquire()
        return web.Response(text="released")

    async def drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        for _ in range(10):
            await self.gate(request).acquire()
            await response.write(b".")
        return response

    async def release(self, request: web.Request) -> web.Response:
        self.gate(request).release()
        return web.Response(text="released")

    async def hang_up(self, request: web.Request) -> web.Response:
        # First the orderly end, then the reset: only so the client's next write(2) fails with EPIPE.
        request.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        request.transport.abort()
        return web.Response()

    async def count_connections(self, request: web.Request) -> web.Response:
        return web.Response(text=str(len(self.connections)))


async def main() -> None:
    echo = Echo()
    app = web.Application(middlewares=[echo.count], client_max_size=1 << 40)
    app.router.add_route("*", "/bytes/{count}", echo.bytes)
    app.router.add_route("*", "/chunked/{count}", echo.chunked)
    app.router.add_route("*", "/status/{count}", echo.status)
    app.router.add_get("/fields/{count}", echo.fields)
    app.router.add_get("/interim", echo.interim)
    app.router.add_get("/wait/{name}", echo.wait)
    app.router.add_get("/drip/{name}", echo.drip)
    app.router.add_get("/release/{name}", echo.release)
    app.router.add_route("*", "/hangup", echo.hang_up)
    app.router.add_get("/connections", echo.count_connections)
    app.router.add_route("*", "/{path:.*}", echo.echo)
    runner = web.AppRunner(app, auto_decompress=False, keepalive_timeout=600, access_log=None)
    await runner.setup()
    context = None
    if len(sys.argv) > 2:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=1024)
    await site.start()
    print(f"listening on {site._server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
