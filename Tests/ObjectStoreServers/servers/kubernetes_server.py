"""An API server of Kubernetes for tests, where kmock is too kind: versions and conflicts, pages, watches that forget.

usage: kubernetes_server.py [--certificate FILE --key FILE [--clients AUTHORITY]]

Below each path `/@NAME` is a server of its own, and one more for clients that know host and port alone. It serves the kinds of `RESOURCES` as a real one does: every change has a version, patches and deletions of another version
are refused (409), lists come in pages of one moment, watches go on from a version, tell bookmarks and forget what was
compacted (410), the status is changed through its subresource alone, events must have the form that is asked of them,
what the definitions of AlluxioVolume and AlluxioNode in the chart do not have is left out.

GET    /__calls           every call so far: verb, group, resource, subresource, namespace, name, status
DELETE /__calls           forgets them
GET    /__watches/N       answers once N watches have been opened since the start
POST   /__compact         forgets all history, and the tokens of lists that are under way
POST   /__bookmark        sends a bookmark to all watches
POST   /__watch/ACT       to all open watches: `end` in good order, `reset` the connection, `cut` in the middle of a line,
                          `garble`: a line that is no JSON, `error`: a line with 500, `gone`: a line with 410
POST   /__answer          a list of {"method", "target", "status", "headers", "body"}: the next request that matches (regular
                          expressions) gets that answer; used up in order
POST   /__meanwhile       {"verb", "resource", "patch"}: before the next call of the verb the object that it names is changed by
                          somebody else, with a merge patch
POST   /__tokens          a list: nobody else is let in; an empty one lets in everybody
POST   /__rules           a list of rules of a ClusterRole: nothing else is allowed; null allows all
"""

import argparse
import asyncio
import base64
import copy
import datetime
import functools
import json
import pathlib
import re
import ssl
import uuid
from dataclasses import dataclass, field
from urllib.parse import unquote

import yaml
from aiohttp import web

# plural, group: version, kind, in namespaces, with a status
RESOURCES = {
    ("configmaps", ""): ("v1", "ConfigMap", True, False),
    ("persistentvolumeclaims", ""): ("v1", "PersistentVolumeClaim", True, True),
    ("persistentvolumes", ""): ("v1", "PersistentVolume", False, True),
    ("nodes", ""): ("v1", "Node", False, True),
    ("csinodes", "storage.k8s.io"): ("v1", "CSINode", False, False),
    ("events", "events.k8s.io"): ("v1", "Event", True, False),
    ("widgets", "example.com"): ("v1", "Widget", False, True),
    ("nodes", ""): ("v1", "Node", False, True),
    ("alluxiovolumes", "csi.alluxio.com"): ("v1alpha1", "AlluxioVolume", False, True),
    ("alluxionodes", "csi.alluxio.com"): ("v1alpha1", "AlluxioNode", False, True),
}
CHART = pathlib.Path(__file__).resolve().parents[3] / "deploy/charts/alluxio-operator/charts/alluxio-csi"
SCHEMAS = {(kind, "csi.alluxio.com"): CHART / f"definitions/{kind}.yaml" for kind in ("alluxiovolumes", "alluxionodes")}
PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<subresource>[^/]+))?)?$")
NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
MICROSECONDS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> dict:
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": self.reason,
            "message": self.message, "code": self.code,
        }


def merge(target, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def stepped(obj: dict, steps: list) -> dict:
    """RFC 6902, `test` and `remove` of it."""
    def must(condition, what):
        if not condition:
            raise Refused(422, "Invalid", f"the server rejected our request due to an error in our request: {what}")

    for step in steps:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        place = obj
        for part in [*parents, last]:
            inside, key = place, int(part) if isinstance(place, list) else part
            must(key < len(place) if isinstance(place, list) else key in place, f"nothing is at {step['path']}")
            place = place[key]
        if step["op"] == "test":
            must(place == step["value"], f"testing value {step['path']} failed")
        else:
            must(step["op"] == "remove", f"{step['op']} is not made here")
            del inside[key]
    return obj


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def pruned(value, schema: dict, path: str):
    """What a structural schema leaves of a value. kubernetes.io: CustomResourceDefinitions, field pruning."""
    def must(condition, what):
        if not condition:
            raise Refused(422, "Invalid", f"{path}: {what}")

    must(type(value) is TYPES[schema["type"]], f"must be of type {schema['type']}")
    must(value in schema.get("enum", [value]), f"must be one of {schema.get('enum')}")
    must(len(value) <= schema.get("maxLength", len(value)) if schema["type"] == "string" else True, "is too long")
    must(len(value) <= schema.get("maxItems", len(value)) if schema["type"] == "array" else True, "has too many items")
    if schema["type"] == "array":
        return [pruned(item, schema["items"], f"{path}[]") for item in value]
    if schema["type"] != "object":
        return value
    for name in schema.get("required", []):
        must(value.get(name) is not None, f"{name} is required")
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    return {name: pruned(item, known.get(name) or others, f"{path}.{name}") for name, item in value.items()
            if (name in known or others) and item is not None}


@functools.cache
def schema_of(resource: tuple) -> dict:
    definition = yaml.safe_load(SCHEMAS[resource].read_text(encoding="utf-8"))
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def check_custom(resource: tuple, obj: dict) -> None:
    """Leaves of a custom object what its definition knows."""
    if resource not in SCHEMAS:
        return
    schema = schema_of(resource)
    rest = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
    left = pruned(rest, schema, RESOURCES[resource][1])
    for name in rest:
        del obj[name]
    obj.update(left)


def check_event(event: dict) -> None:
    """What the real one asks of events.k8s.io/v1."""
    def must(condition, what):
        if not condition:
            raise Refused(422, "Invalid", f"Event is invalid: {what}")

    must(MICROSECONDS.match(event.get("eventTime", "")), "eventTime must have six digits of a second")
    for name, limit in (("reportingController", 128), ("reportingInstance", 128), ("action", 128), ("reason", 128)):
        must(0 < len(event.get(name, "")) <= limit, f"{name} must have 1 to {limit} characters")
    must(len(event.get("note", "").encode()) <= 1024, "note must have at most 1024 bytes")
    must(event.get("type") in ("Normal", "Warning"), "type must be Normal or Warning")
    namespace = event.get("regarding", {}).get("namespace")
    must((namespace or "default") == event["metadata"]["namespace"], "regarding.namespace must be the event's")
    if series := event.get("series"):
        must(series.get("count", 0) >= 2, "series.count must be 2 or more")
        must(MICROSECONDS.match(series.get("lastObservedTime", "")), "series.lastObservedTime must have six digits")


@dataclass
class Watch:
    resource: tuple
    namespace: str | None
    name: str | None
    lines: asyncio.Queue = field(default_factory=asyncio.Queue)


class Server:
    def __init__(self) -> None:
        self.objects: dict[tuple, dict] = {}
        self.version = 1000
        self.history: list[tuple[int, tuple, str, dict]] = []
        self.forgotten = 1000
        self.moments: dict[str, tuple[int, list]] = {}
        self.watches: list[Watch] = []
        self.opened = 0
        self.has_opened = asyncio.Condition()
        self.calls: list[dict] = []
        self.answers: list[dict] = []
        self.meanwhile: list[dict] = []
        self.tokens: set[str] = set()
        self.rules: list[dict] | None = None

    # Requests

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self.serve(request)
        except Refused as refused:
            if self.calls:
                self.calls[-1]["status"] = refused.code
            return web.json_response(refused.status(), status=refused.code)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        target = request.raw_path.removeprefix(f"/@{request.match_info.get('server')}")
        found = PATH.match(target.partition("?")[0])
        if not found:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        part = {name: value and unquote(value) for name, value in found.groupdict().items()}
        resource = (part["plural"], part["group"] or "")
        is_watch = request.query.get("watch") in ("1", "true")
        verb = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}.get(request.method)
        verb = verb or ("get" if part["name"] else "watch" if is_watch else "list")
        call = {
            "verb": verb, "group": resource[1], "resource": resource[0], "subresource": part["subresource"],
            "namespace": part["namespace"], "name": part["name"], "target": target, "status": 200,
        }
        self.calls.append(call)
        if (made := self.made_answer(request)) is not None:
            call["status"] = made.status
            return made
        self.authorize(request, call)
        if resource not in RESOURCES or RESOURCES[resource][0] != part["version"]:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if part["subresource"] not in (None, "status") or (part["subresource"] and not RESOURCES[resource][3]):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if verb == "watch":
            return await self.watch(request, resource, part["namespace"])
        if verb == "list":
            return web.json_response(self.list(request, resource, part["namespace"]))
        body = await request.read()
        key = (resource, part["namespace"], part["name"])
        if verb == "create":
            call["status"] = 201
            return web.json_response(self.create(key, json.loads(body)), status=201)
        if key not in self.objects:
            raise Refused(404, "NotFound", f'{resource[0]} "{part["name"]}" not found')
        for change in [change for change in self.meanwhile if (change["verb"], change["resource"]) == (verb, resource[0])][:1]:
            self.meanwhile.remove(change)
            self.patch(key, change["patch"], None)
        if verb == "get":
            return web.json_response(self.objects[key])
        if verb == "patch":
            return web.json_response(self.patched(key, request.content_type, json.loads(body), part["subresource"]))
        if verb == "delete":
            return web.json_response(self.delete(key, json.loads(body) if body else {}))
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def made_answer(self, request: web.Request) -> web.Response | None:
        for answer in self.answers:
            if re.search(answer.get("method", ""), request.method) and re.search(
                answer.get("target", ""), request.raw_path):
                self.answers.remove(answer)
                return web.Response(
                    status=answer["status"], headers=answer.get("headers"), text=answer.get("body", ""))
        return None

    def authorize(self, request: web.Request, call: dict) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens and token not in self.tokens:
            raise Refused(401, "Unauthorized", "Unauthorized")
        name = call["resource"] + (f"/{call['subresource']}" if call["subresource"] else "")
        if self.rules is not None and not any(
            call["verb"] in rule["verbs"] and call["group"] in rule["apiGroups"] and name in rule["resources"]
            for rule in self.rules
        ):
            raise Refused(403, "Forbidden", f'cannot {call["verb"]} resource "{name}" in API group "{call["group"]}"')

    # Objects

    def change(self, kind: str, key: tuple, obj: dict) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.history.append((self.version, key, kind, copy.deepcopy(obj)))
        for watch in self.watches:
            if self.is_watched(watch, key):
                watch.lines.put_nowait({"type": kind, "object": copy.deepcopy(obj)})

    @staticmethod
    def is_watched(watch: Watch, key: tuple) -> bool:
        return (
            watch.resource == key[0] and watch.namespace in (None, key[1]) and watch.name in (None, key[2]))

    def create(self, key: tuple, obj: dict) -> dict:
        resource, namespace, _ = key
        version, kind, _, has_status = RESOURCES[resource]
        api_version = f"{resource[1]}/{version}".lstrip("/")
        if (obj.get("apiVersion"), obj.get("kind")) != (api_version, kind):
            raise Refused(400, "BadRequest", f"{obj.get('apiVersion')} {obj.get('kind')} is not {api_version} {kind}")
        metadata = obj.get("metadata", {})
        if not NAME.match(metadata.get("name", "")):
            raise Refused(422, "Invalid", f"metadata.name: Invalid value: {metadata.get('name')!r}")
        if metadata.get("namespace", namespace) != namespace:
            raise Refused(400, "BadRequest", "the namespace of the object is not that of the request")
        key = (resource, namespace, metadata["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{resource[0]} "{metadata["name"]}" already exists')
        if has_status:
            obj.pop("status", None)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now, "generation": 1}
        if namespace:
            metadata["namespace"] = namespace
        if resource[0] == "events":
            check_event(obj)
        check_custom(resource, obj)
        self.objects[key] = obj
        self.change("ADDED", key, obj)
        return obj

    def patched(self, key: tuple, content_type: str, patch, subresource: str | None) -> dict:
        if content_type == "application/merge-patch+json":
            return self.patch(key, patch, subresource)
        if content_type != "application/json-patch+json" or subresource:
            raise Refused(415, "UnsupportedMediaType", f"the body of the request was in {content_type}")
        return self.replaced(key, stepped(copy.deepcopy(self.objects[key]), patch), None)

    def patch(self, key: tuple, patch: dict, subresource: str | None) -> dict:
        old = self.objects[key]
        wanted = patch.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, old["metadata"]["resourceVersion"]):
            raise Refused(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
        return self.replaced(key, merge(copy.deepcopy(old), patch), subresource)

    def replaced(self, key: tuple, new: dict, subresource: str | None) -> dict:
        old = self.objects[key]
        if subresource:
            new = copy.deepcopy(old) | {"status": new.get("status", {})}
        elif RESOURCES[key[0]][3]:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copy.deepcopy(old["status"])
        for name in ("name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation"):
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
        if key[0][0] == "events":
            check_event(new)
        check_custom(key[0], new)
        if new == old:
            return old
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        self.objects[key] = new
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            del self.objects[key]
            self.change("DELETED", key, new)
        else:
            self.change("MODIFIED", key, new)
        return new

    def delete(self, key: tuple, options: dict) -> dict:
        obj = self.objects[key]
        wanted = options.get("preconditions", {})
        for name in ("uid", "resourceVersion"):
            if wanted.get(name) not in (None, obj["metadata"][name]):
                raise Refused(409, "Conflict", f"the {name} in the precondition is not that of the object")
        if obj["metadata"].get("finalizers"):
            if "deletionTimestamp" not in obj["metadata"]:
                obj["metadata"]["deletionTimestamp"] = obj["metadata"]["creationTimestamp"]
                self.change("MODIFIED", key, obj)
            return obj
        del self.objects[key]
        self.change("DELETED", key, obj)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    # Lists and watches

    def list(self, request: web.Request, resource: tuple, namespace: str | None) -> dict:
        if token := request.query.get("continue"):
            if token not in self.moments:
                raise Refused(410, "Expired", "The provided continue parameter is too old")
            version, rest = self.moments[token]
        else:
            name = self.named(request)
            watch = Watch(resource, namespace, name)
            found = sorted((key for key in self.objects if self.is_watched(watch, key)), key=lambda key: key[1:])
            version, rest = self.version, [copy.deepcopy(self.objects[key]) for key in found]
        metadata = {"resourceVersion": str(version)}
        limit = int(request.query.get("limit", 0)) or len(rest)
        if len(rest) > limit:
            metadata["continue"] = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()
            metadata["remainingItemCount"] = len(rest) - limit
            self.moments[metadata["continue"]] = (version, rest[limit:])
        _, kind, _, _ = RESOURCES[resource]
        return {"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata, "items": rest[:limit]}

    @staticmethod
    def named(request: web.Request) -> str | None:
        selector = request.query.get("fieldSelector", "")
        return selector.removeprefix("metadata.name=") if selector.startswith("metadata.name=") else None

    async def watch(self, request: web.Request, resource: tuple, namespace: str | None) -> web.StreamResponse:
        watch = Watch(resource, namespace, self.named(request))
        since = int(request.query.get("resourceVersion") or 0)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if 0 < since < self.forgotten:
            gone = Refused(410, "Expired", f"too old resource version: {since} ({self.forgotten})")
            watch.lines.put_nowait({"type": "ERROR", "object": gone.status()})
            watch.lines.put_nowait("end")
        for version, key, kind, obj in self.history:
            if version > since and self.is_watched(watch, key):
                watch.lines.put_nowait({"type": kind, "object": obj})
        self.watches.append(watch)
        async with self.has_opened:
            self.opened += 1
            self.has_opened.notify_all()
        try:
            await self.follow(request, response, watch, request.query.get("allowWatchBookmarks") == "true")
        finally:
            self.watches.remove(watch)
        return response

    async def follow(self, request: web.Request, response: web.StreamResponse, watch: Watch, bookmarks: bool) -> None:
        """Writes the lines of one watch until one of them ends it."""
        while True:
            line = await watch.lines.get()
            if isinstance(line, dict):
                await response.write(json.dumps(line).encode() + b"\n")
            elif line == "bookmark":
                version, kind, _, _ = RESOURCES[watch.resource]
                mark = {"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": str(self.version)}}
                if bookmarks:
                    await response.write(json.dumps({"type": "BOOKMARK", "object": mark}).encode() + b"\n")
            elif line == "garble":
                await response.write(b'{"type":"MODIFIED","object":{"metadata":{"na\xff\xfe\n')
            elif line == "cut":
                await response.write(b'{"type":"MODIFIED","object":{"metadata":{"na')
                return await response.write_eof()
            elif line == "reset":
                return request.transport.abort()
            else:
                return await response.write_eof()

    # What tests say

    async def control(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        body = json.loads(await request.read() or "null")
        if what == "calls":
            if request.method == "DELETE":
                self.calls = []
            return web.json_response(self.calls)
        if what.startswith("watches/"):
            async with self.has_opened:
                await self.has_opened.wait_for(lambda: self.opened >= int(what.removeprefix("watches/")))
        elif what == "compact":
            self.history, self.forgotten, self.moments = [], self.version, {}
        elif what == "bookmark":
            self.say("bookmark")
        elif what == "watch/gone":
            self.say({"type": "ERROR", "object": Refused(410, "Expired", "too old resource version").status()})
        elif what == "watch/error":
            self.say({"type": "ERROR", "object": Refused(500, "InternalError", "etcd is away").status()})
        elif what.startswith("watch/"):
            self.say(what.removeprefix("watch/"))
        elif what == "answer":
            self.answers += body
        elif what == "meanwhile":
            self.meanwhile.append(body)
        elif what == "tokens":
            self.tokens = set(body)
        elif what == "rules":
            self.rules = body
        else:
            return web.json_response({"error": f"nothing is at {what}"}, status=404)
        return web.json_response({})

    def say(self, line) -> None:
        for watch in self.watches:
            watch.lines.put_nowait(line)


async def main() -> None:
    parser = argparse.ArgumentParser(description="An API server of Kubernetes for tests.")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--clients", help="the authority of certificates that clients must show")
    options = parser.parse_args()
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)
        if options.clients:
            context.load_verify_locations(options.clients)
            context.verify_mode = ssl.CERT_REQUIRED
    servers: dict[str, Server] = {}

    def server(request: web.Request) -> Server:
        return servers.setdefault(request.match_info.get("server", ""), Server())

    app = web.Application(client_max_size=64 << 20)
    for prefix in ("/@{server}", ""):
        app.router.add_route("*", prefix + "/__{what:.+}", lambda request: server(request).control(request))
        app.router.add_route("*", prefix + "/{path:.*}", lambda request: server(request).handle(request))
    runner = web.AppRunner(app, keepalive_timeout=600, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024, ssl_context=context)
    await site.start()
    print(f"listening on {site._server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
