"""moto's S3 and STS on a free port of 127.0.0.1.

usage: moto_server.py                        nothing is in it
       moto_server.py BUCKET COUNT FORMAT    one bucket with COUNT objects of one byte, whose keys FORMAT makes of numbers
"""

import sys
import threading

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

if len(sys.argv) > 1:
    bucket, count, form = sys.argv[1:]
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket(bucket, "us-east-1")
    for number in range(int(count)):
        backend.put_object(bucket, form % number, b"x")

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(f"listening on {server.get_host_and_port()[1]}", flush=True)
threading.Event().wait()
