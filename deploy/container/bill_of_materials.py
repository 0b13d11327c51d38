"""usage: bill_of_materials.py --version VERSION --resolved FILE --linked FILE --programs FOLDER PACKAGE.deb...

Prints what an image is made of, as SPDX 2.3 in JSON: the Debian packages, the driver's programs, and what is linked into
them: the Swift packages of FILE (Package.resolved), and what the other FILE lists, lines of kind, name and version. Needs nothing but Python's own library and dpkg-deb, since it runs where images are built.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

FIELDS = ("Package", "Version", "Architecture", "Maintainer", "Homepage")
NOT_SAID = "NOASSERTION"


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identifier(*parts):
    """An SPDX identifier: letters, digits, dots and dashes."""
    return "SPDXRef-" + "-".join(re.sub(r"[^A-Za-z0-9.]", "-", part) for part in parts)


def package(ref, name, version, **more):
    return {"SPDXID": ref, "name": name, "versionInfo": version, "downloadLocation": NOT_SAID, "filesAnalyzed": False,
            "licenseConcluded": NOT_SAID, "licenseDeclared": NOT_SAID, "copyrightText": NOT_SAID, **more}


def checksum(path):
    return [{"algorithm": "SHA256", "checksumValue": digest(path)}]


def locator(text):
    return [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": text}]


def debian(path):
    """What dpkg-deb says of a package. Its licence stands in the image, in /usr/share/doc/NAME/copyright."""
    form = "".join(f"${{{field}}}\\n" for field in FIELDS)
    shown = subprocess.run(["dpkg-deb", "--show", f"--showformat={form}", path], capture_output=True, text=True,
                           check=True).stdout
    name, version, architecture, maintainer, home = shown.splitlines()
    quoted = urllib.parse.quote(version, safe="")
    more = {"homepage": home} if home else {}
    return package(
        identifier("debian", name), name, version, primaryPackagePurpose="LIBRARY", checksums=checksum(path),
        supplier=f"Organization: {re.sub(' *<.*', '', maintainer)}",
        externalRefs=locator(f"pkg:deb/debian/{name}@{quoted}?arch={architecture}&distro=debian-12"), **more)


def built_in(kind, name, version):
    """What was compiled into the programs from the machine that they were built on."""
    if kind == "debian":
        place = f"pkg:deb/debian/{name}@{urllib.parse.quote(version, safe='')}"
    else:
        place = f"pkg:swift/github.com/swiftlang/swift@{version}"
    return package(identifier("linked", name), f"{kind}-{name}" if kind == "swift" else name, version,
                   primaryPackagePurpose="LIBRARY", externalRefs=locator(place))


def linked(pin):
    """A Swift package, of which the programs have parts in them."""
    state = pin["state"]
    location = pin["location"].removesuffix(".git")
    return package(
        identifier("swift", pin["identity"]), pin["identity"], state.get("version", state["revision"]),
        primaryPackagePurpose="LIBRARY", downloadLocation=f"git+{location}@{state['revision']}",
        externalRefs=locator(f"pkg:swift/{urllib.parse.urlsplit(location).netloc}"
                             f"{urllib.parse.urlsplit(location).path}@{state.get('version', state['revision'])}"))


def document(arguments):
    programs = sorted(pathlib.Path(arguments.programs).iterdir())
    image = package(identifier("image"), "alluxio-csi", arguments.version, primaryPackagePurpose="CONTAINER")
    ours = [package(identifier("program", path.name), path.name, arguments.version, primaryPackagePurpose="APPLICATION",
                    checksums=checksum(path)) for path in programs]
    swift = [linked(pin) for pin in json.loads(pathlib.Path(arguments.resolved).read_text(encoding="utf-8"))["pins"]]
    swift += [built_in(*line.split()) for line in pathlib.Path(arguments.linked).read_text(encoding="utf-8").splitlines()]
    system = [debian(path) for path in arguments.packages]
    related = [("SPDXRef-DOCUMENT", "DESCRIBES", image)]
    related += [(image["SPDXID"], "CONTAINS", part) for part in [*ours, *system]]
    related += [(program["SPDXID"], "STATIC_LINK", part) for program in ours for part in swift]
    content = hashlib.sha256("".join(part["checksums"][0]["checksumValue"] for part in [*ours, *system]).encode())
    moment = datetime.datetime.fromtimestamp(
        int(os.environ["SOURCE_DATE_EPOCH"]) if "SOURCE_DATE_EPOCH" in os.environ else max(
            path.stat().st_mtime for path in programs), datetime.timezone.utc)
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"alluxio-csi-{arguments.version}",
        # Nothing is there: a name that no other image has.
        "documentNamespace": f"https://alluxio-csi.invalid/spdx/{arguments.version}/{content.hexdigest()}",
        "creationInfo": {"created": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": [f"Tool: {pathlib.Path(__file__).name}"]},
        "packages": [image, *ours, *swift, *system],
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other["SPDXID"]}
                          for one, kind, other in related],
    }


def main():
    parser = argparse.ArgumentParser()
    for option in ("version", "resolved", "linked", "programs"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("packages", nargs="+")
    print(json.dumps(document(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
