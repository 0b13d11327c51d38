"""Python classes for CSI, made from Protos/csi.proto when they are first imported and thrown away at exit."""

import importlib
import pathlib
import shutil
import sys
import tempfile

import grpc_tools
from grpc_tools import protoc

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def _generate():
    folder = tempfile.mkdtemp(prefix="stubs.")
    try:
        includes = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        status = protoc.main([
            "protoc", f"-I{CHECKOUT / 'Protos'}", f"-I{includes}", f"--python_out={folder}",
            f"--grpc_python_out={folder}", "csi.proto"
        ])
        if status != 0:
            raise RuntimeError("protoc could not compile Protos/csi.proto")
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("csi_pb2"), importlib.import_module("csi_pb2_grpc")
        finally:
            sys.path.remove(folder)
    finally:
        shutil.rmtree(folder)


csi, services = _generate()
