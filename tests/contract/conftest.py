"""The contract tests need no running stack: they read the compiled protos."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.contract.walk import Contract

GENERATOR = Path(__file__).resolve().parents[2] / "protos" / "generate.py"


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    file = tmp_path_factory.mktemp("contract") / "lumi.binpb"
    subprocess.run([sys.executable, str(GENERATOR), "--descriptors", str(file)], check=True)
    return Contract(FileDescriptorSet.FromString(file.read_bytes()))
