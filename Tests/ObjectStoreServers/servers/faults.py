"""What fault_proxy.py does to answers. Each fault makes an answer and writes it to the client's transport itself."""

import asyncio
import socket
import struct
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from xml.sax.saxutils import escape

PAGE = 65_536


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    fields: list
    body: bytes
    length: int

    @classmethod
    def error(cls, status: int, code: str, message: str, fields: list | None = None) -> "Answer":
        """An error as S3 writes it."""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            "<RequestId>FAULT0000000001</RequestId><HostId>fault-proxy</HostId></Error>"
        ).encode()
        own = [("Content-Type", "application/xml"), ("x-amz-request-id", "FAULT0000000001")]
        return cls(status, code, own + (fields or []), body, len(body))

    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {self.length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def bucket(request) -> str:
    """The one that a request is for, which tests share a proxy by."""
    return request.raw_path.split("?")[0].split("/")[1]


class Stage:
    """What the faults of one proxy share."""

    def __init__(self) -> None:
        self.previous: dict[str, Answer] = {}
        self.gates: dict[str, asyncio.Semaphore] = {}
        self.waiting: tuple[asyncio.Future, Answer] | None = None

    def gate(self, name: str) -> asyncio.Semaphore:
        return self.gates.setdefault(name, asyncio.Semaphore(0))


class Plain:
    """No fault: the server's answer as it came."""

    forwards = True

    def __init__(self, stage: Stage, fields: dict, request) -> None:
        self.stage, self.fields, self.request = stage, fields, request
        self.transport = request.transport
        self.forwards = fields.get("forward", type(self).forwards)

    async def answer(self, answer: Answer | None) -> Answer:
        return answer or Answer.error(500, "InternalError", "this request was kept from the server")

    async def send(self, answer: Answer) -> bool | None:
        """True: the connection goes on. False: it is closed after what was written. None: it is reset."""
        await self.write(answer.head() + self.body(answer))
        return True

    def body(self, answer: Answer) -> bytes:
        return b"" if self.request.method == "HEAD" else answer.body

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), PAGE):
            if self.transport is None or self.transport.is_closing():
                return
            self.transport.write(data[start : start + PAGE])
            await self.request.protocol._drain_helper()

    async def flush(self) -> None:
        """Until the kernel has all of it: what is reset must have been sent before."""
        while self.transport and not self.transport.is_closing() and self.transport.get_write_buffer_size():
            await asyncio.sleep(0.001)

    def hang_up(self) -> None:
        """Ends the connection with a reset instead of an orderly end."""
        if self.transport is None or self.transport.is_closing():
            return
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def stall(self) -> None:
        """`seconds`, or until `until` is released."""
        if name := self.fields.get("until"):
            await self.stage.gate(name).acquire()
        else:
            await asyncio.sleep(self.fields.get("seconds", 30))


class Reset(Plain):
    """A reset after `after` bytes of the body, default half of them; -1: before the head. The server did act."""

    async def send(self, answer: Answer) -> bool | None:
        body = self.body(answer)
        after = self.fields.get("after", len(body) // 2)
        if after >= 0:
            await self.write(answer.head() + body[:after])
            await self.flush()
        return None


class Truncate(Plain):
    """The right Content-Length, but an orderly end after `after` bytes of the body, default half of them."""

    async def send(self, answer: Answer) -> bool | None:
        body = self.body(answer)
        await self.write(answer.head() + body[: self.fields.get("after", len(body) // 2)])
        return False


class Length(Plain):
    """A Content-Length that is wrong `by` so many bytes; the whole body, then an orderly end."""

    async def send(self, answer: Answer) -> bool | None:
        wrong = replace(answer, length=max(0, answer.length + self.fields.get("by", 1)))
        await self.write(wrong.head() + self.body(answer))
        return False


class Respond(Plain):
    """An answer of the proxy's: `status` (503) with S3's error `code` and `message`, or `body`; `headers`, `retry_after`,
    `location`; `date_shift` seconds in its Date. The server does not see the request."""

    forwards = False

    async def answer(self, answer: Answer | None) -> Answer:
        fields = list(self.fields.get("headers", {}).items())
        for name, key in (("Retry-After", "retry_after"), ("Location", "location")):
            if key in self.fields:
                fields.append((name, str(self.fields[key])))
        fields.append(("Date", formatdate(time.time() + self.fields.get("date_shift", 0), usegmt=True)))
        status = self.fields.get("status", 503)
        made = Answer.error(status, self.fields.get("code", "SlowDown"), self.fields.get("message", "injected"), fields)
        if "body" in self.fields:
            body = self.fields["body"].encode()
            made = replace(made, body=body, length=len(body))
        return made


class Stall(Plain):
    """A wait of `seconds` (30), or until `until` is released, before the head or after `after` bytes of the body."""

    async def send(self, answer: Answer) -> bool | None:
        after = self.fields.get("after", -1)
        whole = answer.head() + self.body(answer)
        start = len(answer.head()) + after if after >= 0 else 0
        await self.write(whole[:start])
        await self.stall()
        await self.write(whole[start:])
        return True


class Drip(Plain):
    """The body in pieces of `bytes` (1), `seconds` (0.1) apart or one for each release of `until`."""

    async def send(self, answer: Answer) -> bool | None:
        await self.write(answer.head())
        body, step = self.body(answer), self.fields.get("bytes", 1)
        self.fields = {"seconds": 0.1} | self.fields
        for start in range(0, len(body), step):
            await self.stall()
            await self.write(body[start : start + step])
        return True


class Garbage(Plain):
    """Another body in place of the answer's: `body`, or XML that breaks off in bytes that are no text."""

    async def answer(self, answer: Answer | None) -> Answer:
        answer = await super().answer(answer)
        broken = b'<?xml version="1.0"?><ListBucketResult><Contents><Key>a</Ke\xff\xfe\x00&bad;<<' + bytes(range(256))
        body = self.fields["body"].encode() if "body" in self.fields else broken
        return replace(answer, body=body, length=len(body))


class Noise(Plain):
    """Bytes that are no HTTP at all."""

    async def send(self, answer: Answer) -> bool | None:
        await self.write(b"\x15\x03\x01\x00\x02\x02\x0a nothing of HTTP\r\n\r\n")
        return False


class Replay(Plain):
    """The answer to the request before this one for the same bucket, whatever it was. The server does not see this one."""

    forwards = False

    async def answer(self, answer: Answer | None) -> Answer:
        return self.stage.previous.get(bucket(self.request)) or await super().answer(answer)


class Twice(Plain):
    """The answer two times: the second one comes when nobody has asked."""

    async def send(self, answer: Answer) -> bool | None:
        await self.write((answer.head() + self.body(answer)) * 2)
        return True


class Swap(Plain):
    """The answers to two requests that are under way together, exchanged: the first waits for the second. The rule must act
    on both (`count` 2)."""

    async def answer(self, answer: Answer | None) -> Answer:
        own = await super().answer(answer)
        if self.stage.waiting is None:
            other = asyncio.get_running_loop().create_future()
            self.stage.waiting = (other, own)
            return await other
        (first, answer_of_first), self.stage.waiting = self.stage.waiting, None
        first.set_result(own)
        return answer_of_first


BY_NAME = {
    kind.__name__.lower(): kind
    for kind in (Plain, Reset, Truncate, Length, Respond, Stall, Drip, Garbage, Noise, Replay, Twice, Swap)
}
