"""The driver's image as tests have it without an engine: its root file system, and what the Containerfile says of it."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import dockerfile_parse
from csi_client.driver import programs

import chart

FOLDER = chart.DEPLOY / "container"
PACKAGES = pathlib.Path(os.environ.get("IMAGE_PACKAGES", chart.CHECKOUT / ".build-image" / "packages"))
BUILD_SECONDS = 300


class Containerfile:
    """The instructions of each stage, and the last one's settings."""

    def __init__(self, path=FOLDER / "Containerfile"):
        with open(path, "rb") as file:
            self._parser = dockerfile_parse.DockerfileParser(fileobj=file, env_replace=False)
            self.instructions = [(step["instruction"], step["value"]) for step in self._parser.structure
                                 if step["instruction"] != "COMMENT"]
        with open(path, "rb") as file:
            resolved = dockerfile_parse.DockerfileParser(fileobj=file, env_replace=True)
            self.labels, self.environment = dict(resolved.labels), dict(resolved.envs)

    def values(self, instruction):
        return [value for name, value in self.instructions if name == instruction]

    @property
    def last_stage(self):
        start = max(index for index, (name, _) in enumerate(self.instructions) if name == "FROM")
        return self.instructions[start:]

    def last(self, instruction):
        [value] = [value for name, value in self.last_stage if name == instruction]
        return value

    @property
    def entry_point(self):
        return json.loads(self.last("ENTRYPOINT"))

    @property
    def user(self):
        return self.last("USER")


def can_be_made():
    """The packages of the image are those of one release of Debian."""
    wanted = re.search(r"^release (\w+)$", (FOLDER / "packages").read_text(encoding="utf-8"), re.MULTILINE)[1]
    return f"VERSION_CODENAME={wanted}\n" in pathlib.Path("/etc/os-release").read_text(encoding="utf-8")


@functools.cache
def root():
    """The folder with the image's files, made of the programs under test by the first test of a run that wants it."""
    folder = pathlib.Path(tempfile.gettempdir()) / "image"
    made = subprocess.run([FOLDER / "root-filesystem.sh", folder, programs(), "--or-installed"], capture_output=True, text=True, check=False,
                          timeout=BUILD_SECONDS)
    assert made.returncode == 0, made.stdout + made.stderr
    print(made.stdout, end="", file=sys.__stdout__)
    return folder


def remove():
    """At the end of a run."""
    shutil.rmtree(pathlib.Path(tempfile.gettempdir()) / "image", ignore_errors=True)


@functools.cache
def runtime():
    """Folders that programs built for debugging have their Swift runtime in, which those of an image have in them."""
    shown = subprocess.run(["ldd", programs() / "alluxio-csi"], capture_output=True, text=True, check=True).stdout
    return sorted({os.path.dirname(path) for path in re.findall(r"=> (\S*/libswiftCore\.so)", shown)})


def described():
    """What container.py is told of a container of the image, without what a pod specification adds."""
    return {"image": str(root()), "runtime": runtime(), "environment": dict(Containerfile().environment)}


def run(*command, folder, **changes):
    """Runs a program in a container of its own as the image alone says, or with what `changes` says otherwise."""
    user, group = map(int, Containerfile().user.split(":"))
    place = folder / "root"
    place.mkdir(exist_ok=True)
    wanted = {**described(), "root": str(place), "command": [str(word) for word in command], "mounts": [],
              "readOnlyRoot": True, "privileged": False, "capabilities": [], "user": user, "group": group, "groups": [],
              **changes}
    return subprocess.run(
        ["/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "unchanged", sys.executable,
         "-S", pathlib.Path(__file__).with_name("container.py"), json.dumps(wanted)],
        capture_output=True, text=True, check=False, timeout=60)
