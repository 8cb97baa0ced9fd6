"""The C extensions. Each is optional: without a compiler the package installs all the same, and runs slower."""

import sys
from pathlib import Path

from setuptools import Extension, setup  # type: ignore[import-untyped]

HERE = Path(__file__).parent
FLAGS = [] if sys.platform == "win32" else ["-O3", "-std=c11", "-fvisibility=hidden", "-Wno-psabi"]


def extension(name: str, sources: list[str], depends: list[str]) -> Extension:
    return Extension(name, sources, depends=depends, extra_compile_args=FLAGS, py_limited_api=True, optional=True)


PARTS = ("_native", "_sha256", "_ripemd160", "_keccak", "_scan", "_rlp")
extensions = [
    extension(
        "primitives._native",
        [f"primitives/{part}.c" for part in PARTS],
        ["primitives/_native.h", "primitives/_scan_lanes.h"],
    )
]
extensions.append(
    extension(
        "vm.evm.precompiles._native",
        [f"vm/evm/precompiles/{part}.c" for part in ("_native", "_bn254", "_blake2")],
        ["vm/evm/precompiles/_native.h", "vm/evm/precompiles/_bn254_fields.h"],
    )
)
if (HERE / "consensus/_ethash.c").exists():
    headers = [str(path.relative_to(HERE)) for path in sorted((HERE / "consensus").glob("*.h"))]
    extensions.append(extension("consensus._ethash", ["consensus/_ethash.c"], headers))

setup(ext_modules=extensions, options={"bdist_wheel": {"py_limited_api": "cp311"}})
