"""Makes the Python of the protos, and holds what is committed against them.

python protos/generate.py           formats the protos and writes protos/gen anew
python protos/generate.py --check   exits 1 if protos/gen is not what the protos make
python protos/generate.py --lint    exits 1 if buf finds fault: lint, format, breaking
python protos/generate.py --image   also makes today's protos what `buf breaking` compares with from now on
python protos/generate.py --descriptors FILE   only compiles them, imports and comments included, to FILE
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
GEN = PROTOS / "gen"
IMAGE = PROTOS / "lumi.binpb"
PACKAGES = ("buf", "lumi")

# Google's protos are not copied here: the well-known types come with grpc_tools, the rest with
# googleapis-common-protos.
INCLUDES = (
    Path(protoc.__file__).parent / "_proto",
    Path(annotations_pb2.__file__).parents[2],
)


class Fault(Exception):
    """What is wrong and what to do about it, for a person to read."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="change nothing; exit 1 if gen is stale")
    mode.add_argument("--lint", action="store_true", help="change nothing; exit 1 if buf finds fault")
    mode.add_argument("--image", action="store_true", help="accept today's protos as the ones not to break")
    mode.add_argument("--descriptors", type=Path, metavar="FILE", help="write the compiled protos to FILE")
    options = parser.parse_args()
    try:
        if options.check:
            check()
        elif options.lint:
            lint()
        elif options.descriptors:
            compile_to(options.descriptors)
        else:
            buf("format", "--write", str(PROTOS))
            regenerate()
            if options.image:
                compile_to(IMAGE)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


def regenerate() -> None:
    """Put what is generated now in the place of what was."""
    with tempfile.TemporaryDirectory(dir=PROTOS, prefix=".gen-") as folder:
        new = Path(folder, "gen")
        new.mkdir()
        generate(new)
        shutil.rmtree(GEN, ignore_errors=True)
        new.rename(GEN)


def check() -> None:
    """Raise Fault unless gen is what the protos make."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        if stale := differences(GEN, Path(folder)):
            raise Fault("\n  ".join(["protos/gen is stale, run `python protos/generate.py`:", *stale]))


def lint() -> None:
    """Raise Fault with all that buf has against the protos."""
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        today = Path(folder, "lumi.binpb")
        compile_to(today)
        config = ("--config", str(PROTOS / "buf.yaml"))
        for command, cure in (
            (("lint", str(today), *config), "Correct the protos."),
            (("format", "--diff", "--exit-code", str(PROTOS)), "Run `python protos/generate.py`."),
            (
                ("breaking", str(today), "--against", str(IMAGE), *config),
                "Callers rely on it: add, and leave what is there. If it was never released, run"
                " `python protos/generate.py --image`.",
            ),
        ):
            try:
                buf(*command)
            except Fault as fault:
                faults.append(f"{fault}\n{cure}")
    if faults:
        raise Fault("\n\n".join(faults))


def differences(old: Path, new: Path) -> list[str]:
    """The files that are in one folder only or differ, by relative path; compiled Python aside."""
    listings = [
        {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
        }
        for root in (old, new)
    ]
    before, after = listings
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def buf(*arguments: str) -> None:
    """Run buf, offline; raises Fault with what it says if it is not content."""
    program = shutil.which("buf", path=f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        raise Fault("buf is not installed: it comes with the package buf-bin")
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [program, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": cache, "BUF_CACHE_DIR": cache},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise Fault(f"buf {arguments[0]}:\n{done.stdout}{done.stderr}".rstrip())


def sources() -> list[str]:
    """Our protos by their import paths, sorted."""
    found = (path for package in PACKAGES for path in (PROTOS / package).rglob("*.proto"))
    return sorted(path.relative_to(PROTOS).as_posix() for path in found)


def run_protoc(*outputs: str) -> None:
    """Run grpcio-tools' compiler over our protos; its complaints go to standard error."""
    includes = [f"-I{path}" for path in (PROTOS, *INCLUDES)]
    if protoc.main(["protoc", *includes, *outputs, *sources()]):
        raise Fault("the protos do not compile")


def compile_to(path: Path) -> None:
    """Write the protos with all they import and every comment, as a FileDescriptorSet."""
    run_protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={path}")


def compiled() -> FileDescriptorSet:
    """The protos with all they import."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lumi.binpb")
        compile_to(path)
        return FileDescriptorSet.FromString(path.read_bytes())


def generate(out: Path) -> None:
    """Write messages, services and their type stubs into the folder `out`."""
    run_protoc(f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}")
    descriptors = compiled()
    modules = {
        f".{file.package}.{message.name}": file.name.removesuffix(".proto").replace("/", ".") + "_pb2"
        for file in descriptors.file
        for message in file.message_type
    }
    ours = set(sources())
    for file in descriptors.file:
        if file.name in ours:
            module = out / file.name.replace(".proto", "_pb2_grpc.py")
            if file.service:
                module.with_suffix(".pyi").write_text("".join(service_stubs(file, modules)), encoding="utf-8")
            else:
                module.unlink()
    for module in list(out.rglob("*_pb2.py")):
        for folder in module.relative_to(out).parents[:-1]:
            (out / folder / "__init__.py").touch()
    (out / "lumi" / "_aio.pyi").write_text(AIO_STUB, encoding="utf-8")
    for package in PACKAGES:
        (out / package / "py.typed").touch()


AIO_STUB = '''\
"""What a client's method is, for type checkers; there is no such module at run time."""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeVar

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)

class Call(Awaitable[Answer], Protocol[Answer]):
    async def code(self) -> Any: ...
    async def details(self) -> str: ...
    async def initial_metadata(self) -> Any: ...
    async def trailing_metadata(self) -> Any: ...
    def cancel(self) -> bool: ...
    def done(self) -> bool: ...

class Unary(Protocol[Request, Answer]):
    def __call__(
        self,
        request: Request,
        *,
        timeout: float | None = None,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Call[Answer]: ...
'''


def service_stubs(file: FileDescriptorProto, modules: dict[str, str]) -> Iterator[str]:
    """The type stub of a file's services as grpc.aio sees them: protoc writes none, nor has grpcio types.

    `modules` tells where a message lives. A servicer's context is Any: it is what our server hands it.
    """

    def name(message: str) -> str:
        return f"{modules[message]}.{message.rpartition('.')[2]}"

    used = {
        modules[message]
        for service in file.service
        for method in service.method
        for message in (method.input_type, method.output_type)
    }
    yield "from collections.abc import Awaitable\nfrom typing import Any\n\nimport grpc.aio\nimport lumi._aio\n"
    for module in sorted(used):
        yield f"import {module}\n"
    for service in file.service:
        yield f"\nclass {service.name}Stub:\n"
        yield "    def __init__(self, channel: grpc.aio.Channel) -> None: ...\n"
        for method in service.method:
            request, answer = name(method.input_type), name(method.output_type)
            yield f"    {method.name}: lumi._aio.Unary[{request}, {answer}]\n"
        yield f"\nclass {service.name}Servicer:\n"
        for method in service.method:
            request, answer = name(method.input_type), name(method.output_type)
            yield f"    def {method.name}(self, request: {request}, context: Any) -> Awaitable[{answer}]: ...\n"
        yield f"\ndef add_{service.name}Servicer_to_server(\n"
        yield f"    servicer: {service.name}Servicer, server: grpc.aio.Server\n"
        yield ") -> None: ...\n"


if __name__ == "__main__":
    sys.exit(main())
