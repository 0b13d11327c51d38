"""Calls of the three CSI services, and what requests are made of."""

import contextlib

import grpc

from .stubs import csi, services

GIB = 1 << 30
SECONDS = 20
"""Deadline of a call that a test does not give its own: far over what any should take."""

MODES = csi.VolumeCapability.AccessMode.Mode


class Client:
    """One channel to one socket, with the stubs of every service on it."""

    def __init__(self, socket):
        self.channel = grpc.insecure_channel(
            f"unix:{socket}",
            options=[
                ("grpc.default_authority", "localhost"),
                ("grpc.initial_reconnect_backoff_ms", 20),
                # Also how long one attempt to connect may take: a busy machine may need a while.
                ("grpc.min_reconnect_backoff_ms", 20_000),
                ("grpc.max_reconnect_backoff_ms", 100),
                ("grpc.max_send_message_length", -1),
                ("grpc.use_local_subchannel_pool", 1),
            ])
        self.identity = services.IdentityStub(self.channel)
        self.controller = services.ControllerStub(self.channel)
        self.node = services.NodeStub(self.channel)
        self.group_controller = services.GroupControllerStub(self.channel)
        self.snapshot_metadata = services.SnapshotMetadataStub(self.channel)

    def call(self, method, request=None, timeout=SECONDS, **fields):
        """Calls `Service.Method` (`Node.NodePublishVolume`) with a request, or with one made of the fields."""
        service, name = method.split(".")
        stub = {
            "Identity": self.identity, "Controller": self.controller, "Node": self.node,
            "GroupController": self.group_controller, "SnapshotMetadata": self.snapshot_metadata,
        }[service]
        if request is None:
            request = getattr(csi, f"{name}Request")(**fields)
        return getattr(stub, name)(request, timeout=timeout)

    def start(self, method, timeout=SECONDS, **fields):
        """The same without waiting: a future."""
        service, name = method.split(".")
        stub = {"Identity": self.identity, "Controller": self.controller, "Node": self.node}[service]
        return getattr(stub, name).future(getattr(csi, f"{name}Request")(**fields), timeout=timeout)

    def call_bytes(self, method, request, timeout=SECONDS):
        """Sends bytes that no well-behaved codec would make, and answers the reply's bytes."""
        service, name = method.split(".")
        return self.channel.unary_unary(f"/csi.v1.{service}/{name}")(request, timeout=timeout)

    def close(self):
        self.channel.close()


def capability(mode="MULTI_NODE_MULTI_WRITER", group="", flags=(), file_system="", block=False):
    """A VolumeCapability: mounted unless `block`."""
    access = csi.VolumeCapability.AccessMode(mode=MODES.Value(mode) if isinstance(mode, str) else mode)
    if block:
        return csi.VolumeCapability(block=csi.VolumeCapability.BlockVolume(), access_mode=access)
    mounted = csi.VolumeCapability.MountVolume(fs_type=file_system, mount_flags=list(flags), volume_mount_group=group)
    return csi.VolumeCapability(mount=mounted, access_mode=access)


def capacity(required=0, limit=0):
    return csi.CapacityRange(required_bytes=required, limit_bytes=limit)


def field_bytes(number, data):
    """One length-delimited protobuf field with any bytes in it, a string with broken UTF-8 for example."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value):
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


class Refusal:
    """What a refused call answered: `code` as a name, and `message`."""

    def __init__(self):
        self.code = None
        self.message = ""

    def take(self, error):
        self.code = error.code().name
        self.message = error.details() or ""


@contextlib.contextmanager
def refused(*codes, naming=()):
    """The call inside must fail with one of these codes, with a sentence that contains every word of `naming`."""
    __tracebackhide__ = True
    refusal = Refusal()
    try:
        yield refusal
    except grpc.RpcError as error:
        refusal.take(error)
    assert refusal.code is not None, f"the call succeeded; expected {' or '.join(codes)}"
    assert refusal.code in codes, f"expected {' or '.join(codes)}, got {refusal.code}: {refusal.message}"
    assert len(refusal.message) >= 12, f"{refusal.code} without an explanation: {refusal.message!r}"
    for word in [naming] if isinstance(naming, str) else naming:
        assert word.lower() in refusal.message.lower(), f"the message does not name {word!r}: {refusal.message}"
