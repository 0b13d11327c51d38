"""usage: moto_server.py [PORT BUCKET FOLDER]

moto's S3 and STS on a port of 127.0.0.1, a free one unless it is given. The files of the folder are the bucket's objects;
without one it is empty."""

import io
import pathlib
import sys
import threading

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def fill(bucket, folder):
    """Past HTTP, since there may be thousands."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket(bucket, "us-east-1")
    root = pathlib.Path(folder)
    for path in sorted(root.rglob("*")):
        if path.is_file():
            backend.put_object(bucket, str(path.relative_to(root)), path.read_bytes())


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


port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
if len(sys.argv) > 3:
    fill(sys.argv[2], sys.argv[3])
server = make_server(
    "127.0.0.1",
    port,
    OneAtATime(DomainDispatcherApplication(create_backend_app)),
    threaded=True,
    request_handler=MotoRequestHandler,
)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
