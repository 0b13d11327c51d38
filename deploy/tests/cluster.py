"""An API server for containers that pods.py starts, over TLS, which lets in one token and allows what the chart grants."""

import json
import pathlib
import ssl
import subprocess
import sys
import urllib.request

import chart
import contract

SERVERS = chart.CHECKOUT / "Tests" / "ObjectStoreServers" / "servers"
TOKEN = "token-of-the-account"


class Cluster:
    """One server; ends with the test, however that ends."""

    def __init__(self, folder, things, account):
        """The account of the rendered objects has the token."""
        self._folder = pathlib.Path(folder)
        self._namespace = contract.namespace(things)
        self._make_certificate()
        subprocess.run([chart.CHECKOUT / "scripts/python-environment.sh", ".build-python",
                        SERVERS.relative_to(chart.CHECKOUT) / "requirements.txt"], check=True)
        self._server = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, SERVERS / "run.py", r"^listening on (\d+)", chart.CHECKOUT / ".build-python/bin/python",
             SERVERS / "kubernetes_server.py", "--certificate", self._folder / "server.pem",
             "--key", self._folder / "server.key"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._port = int(self._server.stdout.readline())
        self._trust = ssl.create_default_context(cafile=self._folder / "server.pem")
        roles = contract.roles_of(things, account)
        self._rules = [rule for role in contract.of_kind(things, "ClusterRole") if role["metadata"]["name"] in roles
                       for rule in role["rules"]]

    def _make_certificate(self):
        """Of an authority that vouches for itself alone."""
        subprocess.run(
            ["openssl", "req", "-x509", "-days", "2", "-subj", "/CN=kubernetes", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             self._folder / "server.key", "-out", self._folder / "server.pem"], check=True, capture_output=True)

    def guard(self, *more):
        """From now on nobody else is let in, and nothing else is allowed, but for more rules."""
        self.ask("POST", "__tokens", [TOKEN])
        self.ask("POST", "__rules", [*self._rules, *more])

    def ask(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._port}/{path}", method=method, data=body and json.dumps(body).encode(),
            headers={"Content-Type": kind, "Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, context=self._trust, timeout=30) as answer:
            return json.load(answer)

    def variables(self):
        """What the kubelet adds to the environment of each container."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self._port)}

    def projected(self, source):
        """The files of a source of a projected volume."""
        [(kind, what)] = source.items()
        if kind == "serviceAccountToken":
            return {what["path"]: TOKEN}
        if kind == "configMap":
            assert what["name"] == "kube-root-ca.crt", what
            authority = (self._folder / "server.pem").read_text(encoding="utf-8")
            return {item["path"]: {"ca.crt": authority}[item["key"]] for item in what["items"]}
        return {item["path"]: {"metadata.namespace": self._namespace}[item["fieldRef"]["fieldPath"]]
                for item in what["items"]}

    def close(self):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
