"""The image: its programs start in its root file system with nothing else of this machine, and it is as the chart says."""

import contextlib
import fnmatch
import http.server
import json
import pathlib
import re
import ssl
import stat
import subprocess
import sys
import tempfile
import threading

import pytest
import yaml
from csi_client.driver import programs
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

import chart
import image
from conftest import needs_root

needs_debian = pytest.mark.skipif(not image.can_be_made(), reason="the image's packages are those of another release")
PROGRAMS = ["alluxio-csi", "alluxio-fuse", "alluxio-mounter"]
LOADED = sorted({name for path in (chart.CHECKOUT / "Sources").rglob("*") if path.suffix in (".swift", ".h")
                 for name in re.findall(r'"(lib[\w.+-]+\.so[.0-9]*)"', path.read_text(encoding="utf-8"))})
"""What programs load by name (dlopen): no program says that it needs them."""
WITHOUT_LIBRARIES = {"base-files", "ca-certificates", "gcc-12-base"}
BILL = "usr/share/sbom/alluxio-csi.spdx.json"


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="i.") as path:
        yield pathlib.Path(path)


def app_version():
    return yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]


def packages():
    text = (image.FOLDER / "packages").read_text(encoding="utf-8")
    return [word for line in text.splitlines() if not line.startswith("release ")
            for word in line.partition("#")[0].split()]


def libraries(folder, subject):
    """What the loader of the image finds for a program or a library, by name; None for what it does not find."""
    [loader] = (image.root() / "usr/lib").glob("*-linux-gnu/ld-linux-*")
    shown = image.run("/" + str(loader.relative_to(image.root())), "--list", subject, folder=folder)
    missing = re.search(r"error while loading shared libraries: (\S+):", shown.stderr)
    found = {name: path for name, path in re.findall(r"(\S+) => (/\S+)", shown.stdout)}
    return {**found, **dict.fromkeys(re.findall(r"(\S+) => not found", shown.stdout)),
            **({missing[1]: None} if missing else {})}


def subjects():
    assert "libcurl.so.4" in LOADED
    loaded = [path for name in LOADED for path in (image.root() / "usr/lib").glob(f"*-linux-gnu/{name}")]
    # One version of each will do.
    assert {path.name.partition(".so")[0] for path in loaded} == {name.partition(".so")[0] for name in LOADED}
    return [*(f"/usr/bin/{name}" for name in PROGRAMS),
            *("/" + str(path.relative_to(image.root())) for path in loaded)]


@contextlib.contextmanager
def without(path):
    """The image, while a file of it has another name."""
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


@needs_root
@needs_debian
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_starts_in_the_image_as_its_user_without_privileges(program, folder):
    started = image.run(program, "--version", folder=folder)
    assert (started.returncode, started.stdout.split()[-1:]) == (0, [app_version()]), started.stderr


@needs_root
@needs_debian
def test_a_worker_confines_itself_in_the_image(folder):
    started = image.run("alluxio-fuse", "worker", "--check", folder=folder, user=0, group=0)
    assert started.returncode == 0 and app_version() in started.stdout, started.stderr


@needs_root
@needs_debian
def test_every_library_is_in_the_image_and_every_package_has_one_that_is_used(folder):
    used = {}
    for subject in subjects():
        found = libraries(folder, subject)
        assert found and None not in found.values(), f"{subject}: {found}"
        used.update(found)
    used = {pathlib.Path(path).name for path in used.values()} | {pathlib.Path(name).name for name in subjects()}
    needed = set()
    for name in packages():
        [file] = newest(name)
        content = subprocess.run(["dpkg-deb", "--contents", file], capture_output=True, text=True, check=True).stdout
        if used & {pathlib.Path(line.split(" -> ")[0].split()[-1]).name for line in content.splitlines()}:
            needed.add(name)
    assert set(packages()) - needed == WITHOUT_LIBRARIES


def newest(name):
    """The file that a package of the image came from."""
    field = dict(re.findall(r"^(Version|Architecture): (.*)$",
                            (image.root() / "var/lib/dpkg/status.d" / name).read_text(encoding="utf-8"), re.MULTILINE))
    version = field["Version"].replace(":", "%3a")
    return image.PACKAGES.glob(f"{name}_{version}_{field['Architecture']}.deb")


@needs_root
@needs_debian
@pytest.mark.parametrize("library", ["libmd.so.0", "libcares.so.2", "libpsl.so.5"])
def test_a_library_that_is_not_in_the_image_is_noticed(library, folder):
    [path] = (image.root() / "usr/lib").glob(f"*-linux-gnu/{library}")
    with without(path):
        assert [library] in [[name for name, place in libraries(folder, subject).items() if place is None]
                             for subject in subjects()]


@needs_debian
def test_the_image_has_no_shell_no_privileged_file_and_no_link_to_nowhere():
    inside = image.root()
    assert sorted(path.name for path in (inside / "usr/bin").iterdir()) == PROGRAMS
    assert not list((inside / "usr/sbin").iterdir())
    for path in inside.rglob("*"):
        if path.is_symlink():
            target = path.readlink()
            assert (inside / target.relative_to("/") if target.is_absolute() else path.parent / target).exists(), path
            continue
        mode = path.stat().st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID) or path.is_dir(), path
        assert not mode & stat.S_IWOTH or mode & stat.S_ISVTX, path


@needs_debian
def test_the_image_trusts_the_authorities_of_debian_where_libcurl_looks():
    trusted = ssl.create_default_context(cafile=image.root() / "etc/ssl/certs/ca-certificates.crt").get_ca_certs()
    assert len(trusted) > 100


@contextlib.contextmanager
def encrypted_server(folder):
    """The address of a server of HTTPS that is no object store, whose certificate is folder/ca.pem."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
         "-out", folder / "ca.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@needs_root
@needs_debian
def test_an_object_store_is_asked_over_tls_with_the_authorities_of_the_image_or_with_those_that_are_given(folder):
    authorities = folder / "authorities"
    authorities.mkdir()
    environment = {**image.Containerfile().environment, "AWS_EC2_METADATA_DISABLED": "true"}
    given = {"mounts": [{"source": str(authorities), "path": "/authorities", "propagation": "None", "readOnly": True}],
             "environment": {**environment, "SSL_CERT_FILE": "/authorities/ca.pem"}}
    with encrypted_server(authorities) as address:
        for changes, words in ({"environment": environment}, "certificate"), (given, "answered 501"):
            done = image.run("alluxio-csi", "doctor", "--json", "--ufs", "s3://bucket", "-o", f"endpoint={address}",
                             folder=folder, **changes)
            [found] = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "object store"]
            assert found["state"] == "FAIL" and words in found["what"], done.stdout + done.stderr
            assert ("TLS" in found["what"]) == (words == "certificate"), found


@needs_debian
def test_the_bill_of_materials_is_valid_and_names_all_that_is_inside():
    bill = parse_file(str(image.root() / BILL))
    assert not [problem.validation_message for problem in validate_full_spdx_document(bill)]
    named = {package.name: package for package in bill.packages}
    assert set(packages()) | set(PROGRAMS) | {"alluxio-csi", "swift-log", "swift-collections"} <= named.keys()
    status = {path.name for path in (image.root() / "var/lib/dpkg/status.d").iterdir()}
    assert status == set(packages())
    assert all((image.root() / "usr/share/doc" / name / "copyright").exists() for name in status)
    assert named["alluxio-fuse"].version == app_version()


@needs_debian
def test_the_bill_of_materials_names_what_was_compiled_in(folder):
    (folder / "linked").write_text("swift runtime 6.3.1\ndebian libexpat1-dev 2.5.0-1+deb12u2\n", encoding="utf-8")
    [package] = newest("libmd0")
    shown = subprocess.run(
        [sys.executable, image.FOLDER / "bill_of_materials.py", "--version", "1.0", "--resolved",
         chart.CHECKOUT / "Package.resolved", "--linked", folder / "linked", "--programs", image.root() / "usr/bin", package],
        capture_output=True, check=True).stdout
    (folder / "a.spdx.json").write_bytes(shown)
    bill = parse_file(str(folder / "a.spdx.json"))
    assert not [problem.validation_message for problem in validate_full_spdx_document(bill)]
    versions = {package.name: package.version for package in bill.packages}
    assert versions["swift-runtime"] == "6.3.1" and versions["libexpat1-dev"] == "2.5.0-1+deb12u2"
    assert {(one.spdx_element_id, one.related_spdx_element_id) for one in bill.relationships} >= {
        ("SPDXRef-image", "SPDXRef-debian-libmd0"), ("SPDXRef-program-alluxio-fuse", "SPDXRef-linked-libexpat1-dev")}


def test_the_image_and_the_chart_agree_on_programs_and_users():
    containerfile, things = image.Containerfile(), chart.objects()
    assert containerfile.environment["PATH"] == "/usr/bin"
    assert containerfile.entry_point == ["/usr/bin/alluxio-csi"]
    started = set()
    for kind, name in (("Deployment", "alluxio-csi-controller"), ("DaemonSet", "alluxio-csi-nodeplugin"),
                       ("DaemonSet", "alluxio-csi-mounter")):
        spec = chart.pod(things, kind, name)
        for container in spec["containers"]:
            if container["image"] != f"alluxio-csi:{app_version()}":
                continue
            [program] = container["command"]
            started.add(program)
            context = {**spec.get("securityContext", {}), **container["securityContext"]}
            own = containerfile.user == f"{context['runAsUser']}:{context['runAsGroup']}"
            # Whoever is not the image's user mounts, and says so.
            assert own or context.get("privileged"), container["name"]
    # The mounter starts the third, which it finds beside itself.
    assert started | {"alluxio-fuse"} == set(PROGRAMS)


def test_the_containerfile_builds_what_is_here_and_ends_with_nothing_else():
    containerfile = image.Containerfile()
    assert containerfile.last_stage[0] == ("FROM", "scratch")
    assert [value for name, value in containerfile.last_stage if name == "COPY"] == ["--from=root /image/ /"]
    assert containerfile.labels["org.opencontainers.image.version"] == app_version()
    assert {"title", "description", "revision"} <= {name.rpartition(".")[2] for name in containerfile.labels}
    stages = {value.split(" AS ")[-1] for value in containerfile.values("FROM")}
    for value in containerfile.values("COPY"):
        *sources, _ = [word for word in value.split() if not word.startswith("--")]
        origin = re.search(r"--from=(\S+)", value)
        assert origin is None or origin[1] in stages, value
        if origin is None:
            assert all((chart.CHECKOUT / source).exists() for source in sources), value
    ignored = (chart.CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for value in containerfile.values("COPY"):
        if "--from=" not in value:
            assert not [one for one in value.split() for rule in ignored if fnmatch.fnmatch(one, rule)], value
    # Both bases are of the release whose packages are unpacked.
    release = re.search(r"^release (\w+)$", (image.FOLDER / "packages").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert all(release in value for value in containerfile.values("ARG") if "_IMAGE=" in value)
    steps = " ".join(containerfile.values("RUN"))
    assert {"scripts/install-dependencies.sh", "scripts/build-release.sh",
            "deploy/container/root-filesystem.sh"} <= set(steps.split())


def test_a_label_or_a_user_that_the_containerfile_lacks_is_noticed(folder):
    text = (image.FOLDER / "Containerfile").read_text(encoding="utf-8")
    for line in ("USER 1001:1001\n", 'ENTRYPOINT ["/usr/bin/alluxio-csi"]\n'):
        changed = folder / "Containerfile"
        changed.write_text(text.replace(line, ""), encoding="utf-8")
        lacking = image.Containerfile(changed)
        with pytest.raises(ValueError):
            _ = (lacking.user, lacking.entry_point)


@needs_debian
def test_a_root_that_exists_or_lacks_a_program_is_refused(folder):
    script = image.FOLDER / "root-filesystem.sh"
    for made, given, reason in ((image.root(), programs(), "exists"), (folder / "new", folder, "make build")):
        refused = subprocess.run([script, made, given], capture_output=True, text=True, check=False, timeout=60)
        assert refused.returncode == 1 and reason in refused.stderr, refused.stderr
    assert json.loads((image.root() / BILL).read_text(encoding="utf-8"))["spdxVersion"] == "SPDX-2.3"
