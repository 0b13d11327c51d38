"""One CSI call by hand (csi-sanity/csi)."""

import sys

import grpc
from google.protobuf import json_format

from .client import Client
from .stubs import csi

USAGE = """usage: csi-sanity/csi ENDPOINT Service.Method [JSON]
  csi-sanity/csi unix:///csi/csi.sock Controller.ListVolumes '{"max_entries": 10}'"""
SECONDS = 30


def main(arguments):
    if len(arguments) not in (2, 3) or "." not in arguments[1]:
        print(USAGE, file=sys.stderr)
        return 2
    endpoint, method = arguments[:2]
    message = getattr(csi, method.split(".")[1] + "Request", None)
    if message is None:
        print(f"error: CSI has no call {method}", file=sys.stderr)
        return 2
    try:
        request = json_format.Parse(arguments[2] if len(arguments) == 3 else "{}", message())
    except json_format.ParseError as error:
        print(f"error: that is no {method.split('.')[1]}Request: {error}", file=sys.stderr)
        return 2
    client = Client("/" + endpoint.removeprefix("unix:").lstrip("/"))
    try:
        grpc.channel_ready_future(client.channel).result(timeout=SECONDS)
        reply = client.call(method, request, timeout=SECONDS)
    except grpc.FutureTimeoutError:
        print(f"error: nobody answers at {endpoint}", file=sys.stderr)
        return 1
    except grpc.RpcError as error:
        print(f"{error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    finally:
        client.close()
    print(json_format.MessageToJson(reply, indent=2, preserving_proto_field_name=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
