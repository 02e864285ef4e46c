"""Compile the training program into a wheel, for AVX-512 and for AVX2: `make wheel`.

A wheel that is built without this hook is pure Python, and the program is compiled on the user's machine.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "src"))

from dropstudy.core.hardware import instructions  # noqa: E402 - of this tree, not of an installed package
from dropstudy.data.cache import digest_file, store_code  # noqa: E402 - likewise
from dropstudy.engine.native.build import CARRIED, FLAGS, SOURCE  # noqa: E402 - likewise
from dropstudy.engine.native.check import check_fault  # noqa: E402 - likewise

# GCC's library has this function from version 11 on. With its own, a wheel needs no newer system than jaxlib's.
SINCE_GCC_11 = """
#include <new>
namespace std {
[[noreturn]] __attribute__((visibility("hidden"))) void __throw_bad_array_new_length() { throw bad_alloc(); }
}
"""


class CarryProgram(BuildHookInterface):
    """Adds the libraries, each with its digest, and the platform tag of this machine, which auditwheel replaces."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile the libraries."""
        inside = SOURCE.parent.relative_to(ROOT / "src")
        for carried in CARRIED:
            library = Path(self.directory, carried.file)
            library.parent.mkdir(parents=True, exist_ok=True)
            command = (os.environ.get("CXX", "c++"), *FLAGS, carried.flag, "-s", "-o", library, SOURCE)
            subprocess.run((*command, "-x", "c++", "-"), input=SINCE_GCC_11, text=True, check=True)  # noqa: S603 - ours
            if carried.instructions <= instructions() and (fault := check_fault(library)):
                raise RuntimeError(f"the program for {carried.name} does not work: {fault}")
            store_code(library, library.read_bytes())
            for file in (library, digest_file(library)):
                build_data["force_include"][str(file)] = str(inside / file.name)
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-linux_x86_64"
