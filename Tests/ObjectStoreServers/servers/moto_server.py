"""moto's S3 and STS on a free port of 127.0.0.1, empty."""

import threading

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(f"listening on {server.get_host_and_port()[1]}", flush=True)
threading.Event().wait()
