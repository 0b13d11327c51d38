"""moto's S3 and STS on a port of 127.0.0.1."""

import argparse
import io
import pathlib
import threading

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def contents(options):
    """Keys and bytes of the objects that are there from the start."""
    if options.folder:
        root = pathlib.Path(options.folder)
        for path in sorted(root.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(root)), path.read_bytes()
    for number in range(options.count):
        yield options.keys % number, b"x"


class OneAtATime:
    """moto's tables know no threads: listings fail beside writes, and uploads lose their parts."""

    def __init__(self, application):
        self.application = application
        self.turn = threading.Lock()

    def __call__(self, environ, start_response):
        # A body that comes slowly holds nobody up.
        if length := int(environ.get("CONTENT_LENGTH") or 0):
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with self.turn:
            return list(self.application(environ, start_response))


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0, help="a free one unless it is given")
parser.add_argument("--bucket", help="one that is there from the start")
parser.add_argument("--folder", help="its files are objects of the bucket")
parser.add_argument("--count", type=int, default=0, help="objects of one byte in the bucket")
parser.add_argument("--keys", default="%d", help="their keys, as Python formats a number")
options = parser.parse_args()
if options.bucket:
    # Past HTTP, since there may be thousands.
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket(options.bucket, "us-east-1")
    for key, content in contents(options):
        backend.put_object(options.bucket, key, content)
server = make_server(
    "127.0.0.1",
    options.port,
    OneAtATime(DomainDispatcherApplication(create_backend_app)),
    threaded=True,
    request_handler=MotoRequestHandler,
)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
