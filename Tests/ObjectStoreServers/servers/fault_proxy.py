"""A proxy before one server of HTTP that breaks what it is told to break.

usage: fault_proxy.py http://HOST:PORT

Requests are read and answers are fetched by aiohttp, whole; what goes to the client is written by faults.py, byte by byte.
Methods, targets and fields pass unchanged, `Host` too, so that signatures stay right.

POST   /__faults          adds a rule, or a list of them, behind those that are there
GET    /__faults          the rules, each with `matched` and `injected` counts
DELETE /__faults          forgets the rules
POST   /__release/NAME    ends one stall that waits for NAME
GET    /__log             {"connections": N, "requests": [...]}: what was asked so far
DELETE /__log             forgets what was asked

A rule is an object; the first that matches a request is used up by it:
  fault         what to do: a name of faults.py
  method, path  regular expressions that the method and the target (path and query) must contain; default: all
  key           a regular expression that the field Authorization must contain; default: all
  nth           the first match that it acts on, from 1; default 1
  count         how many it acts on; default 1, 0: all
  every         acts on each so many of them only; default 1
  probability   of acting on a match within those; default 1
  forward       whether the server gets the request all the same
  early         acts before the request's body is read, and closes the connection; the server gets nothing
and what faults.py says for the fault.
"""

import asyncio
import json
import random
import re
import sys

import aiohttp
from aiohttp import web
from yarl import URL

import faults
from faults import Answer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "te", "upgrade"}


class Rule:
    def __init__(self, fields: dict) -> None:
        self.fields = fields
        self.fault = faults.BY_NAME[fields["fault"]]
        self.method = re.compile(fields.get("method", ""))
        self.path = re.compile(fields.get("path", ""))
        self.key = re.compile(fields.get("key", ""))
        self.nth = fields.get("nth", 1)
        self.count = fields.get("count", 1)
        self.matched = self.injected = 0

    def takes(self, method: str, target: str, authorization: str) -> bool:
        if not (self.method.search(method) and self.path.search(target) and self.key.search(authorization)):
            return False
        self.matched += 1
        if self.matched < self.nth or (self.count and self.injected >= self.count):
            return False
        if (self.matched - self.nth) % self.fields.get("every", 1):
            return False
        if random.random() >= self.fields.get("probability", 1):
            return False
        self.injected += 1
        return True


class Sent(web.StreamResponse):
    """An answer that a fault has written already: aiohttp only learns whether the connection goes on."""

    def __init__(self, goes_on: bool) -> None:
        super().__init__()
        self.goes_on = goes_on

    @property
    def keep_alive(self) -> bool:
        return self.goes_on

    async def prepare(self, request):
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class Proxy:
    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.log: list[dict] = []
        self.connections: dict[object, int] = {}
        self.client = aiohttp.ClientSession(
            auto_decompress=False, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.stage = faults.Stage()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        target = request.raw_path
        authorization = request.headers.get("Authorization", "")
        rule = next((rule for rule in self.rules if rule.takes(request.method, target, authorization)), None)
        is_early = bool(rule and rule.fields.get("early"))
        body = b"" if is_early else await request.read()
        entry = {
            "method": request.method, "target": target, "range": request.headers.get("Range"),
            "fields": sorted({name.lower() for name in request.headers}), "length": len(body),
            "connection": self.connections.setdefault(request.transport, len(self.connections) + 1),
            "fault": rule.fields["fault"] if rule else None, "status": None,
        }
        self.log.append(entry)
        fault = rule.fault if rule else faults.Plain
        act = fault(self.stage, rule.fields if rule else {}, request)
        answer = None
        if act.forwards and not is_early:
            try:
                answer = await self.forward(request, body)
            except aiohttp.ClientError as error:
                answer = Answer.error(502, "BadGateway", f"the fault proxy got no answer: {error}")
        answer = await act.answer(answer)
        entry["status"] = answer.status
        goes_on = await act.send(answer)
        self.stage.previous[faults.bucket(request)] = answer
        if goes_on is None:
            act.hang_up()
        return Sent(bool(goes_on) and not is_early)

    async def forward(self, request: web.Request, body: bytes) -> Answer:
        fields = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        automatic = ["Accept", "Accept-Encoding", "Content-Type", "User-Agent"]
        url = URL(self.upstream + request.raw_path, encoded=True)
        has_body = body or "Content-Length" in request.headers
        async with self.client.request(
            request.method, url, headers=fields, data=body if has_body else None, allow_redirects=False,
            skip_auto_headers=automatic,
        ) as response:
            content = await response.read()
            kept = [(name, value) for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP]
            length = response.headers.get("Content-Length")
            if request.method != "HEAD" or length is None:
                length = str(len(content))
            return Answer(response.status, response.reason or "", kept, content, int(length))

    async def control(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        if what == "log":
            if request.method == "DELETE":
                self.log = []
            return web.json_response({"connections": len(self.connections), "requests": self.log})
        if what == "faults":
            if request.method == "DELETE":
                self.rules = []
            elif request.method == "POST":
                added = json.loads(await request.read())
                self.rules += [Rule(fields) for fields in (added if isinstance(added, list) else [added])]
            return web.json_response(
                [{**rule.fields, "matched": rule.matched, "injected": rule.injected} for rule in self.rules])
        if what.startswith("release/"):
            self.stage.gate(what.removeprefix("release/")).release()
            return web.json_response({})
        return web.json_response({"error": f"nothing is at {what}"}, status=404)


async def main() -> None:
    proxy = Proxy(sys.argv[1].rstrip("/"))
    app = web.Application(client_max_size=1 << 40)
    app.router.add_route("*", "/__{what:.+}", proxy.control)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, auto_decompress=False, keepalive_timeout=600, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(f"listening on {site._server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
