"""`make wheel`: a wheel whose users need no compiler."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from command_line import TINY
from dropstudy.core.hardware import instructions
from dropstudy.engine.native.build import CARRIED
from expected import Engine

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64") or not shutil.which("c++"),
        reason="the wheel is for x86-64 Linux, and is built with a C++ compiler",
    ),
]

RUN_ON = """
import sys
from pathlib import Path
from dropstudy.core import hardware
hardware._CPU_INFO = Path(sys.argv.pop(1))
from dropstudy.cli import main
main()
"""


def run(*command, **settings):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The file that `make wheel` builds."""
    folder = tmp_path_factory.mktemp("wheel")
    enabled = os.environ | {"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "true"}
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT, env=enabled)
    (built,) = folder.glob("*.whl")
    run(
        sys.executable,
        "-m",
        "auditwheel",
        "repair",
        "--only-plat",
        "--patcher",
        "none",
        "-w",
        folder / "dist",
        built,
    )
    (repaired,) = (folder / "dist").iterdir()
    return repaired


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel, in which programs see neither a compiler nor this source."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "others.pth").write_text("\n".join(others))  # their own .pth files then have no effect
    environment = {
        "PATH": str(folder / "bin"),
        "DROPSTUDY_CACHE": str(folder / "cache"),
        "HOME": str(folder),
    }
    run(
        python,
        "-c",
        f"import dropstudy; assert dropstudy.__file__.startswith({str(packages)!r})",
        env=environment,
    )
    return SimpleNamespace(python=python, environment=environment)


@pytest.fixture
def processor(tmp_path):
    """File that describes this processor without the instructions that only some libraries need."""

    def describe(kept):
        dropped = frozenset().union(*(each.instructions for each in CARRIED)) - kept
        path = tmp_path / "cpuinfo"
        path.write_text(f"model name : of the tests\nflags : {' '.join(instructions() - dropped)}\n")
        return path

    return describe


@pytest.mark.parametrize("carried", CARRIED, ids=lambda carried: carried.name)
def test_a_study_trains_with_the_carried_program_alone(installed, processor, tmp_path, carried):
    if not carried.instructions <= instructions():
        pytest.skip(f"this processor has no {carried.name}")
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("raise ImportError('XLA does not train here')")
    command = (installed.python, "-c", RUN_ON, processor(carried.instructions))
    environment = installed.environment | {"PYTHONPATH": str(tmp_path)}
    assert f"program: {Engine.CARRIED.format(carried.name)}; " in run(*command, "doctor", env=environment)
    out = run(*command, "run", *TINY, "--out", tmp_path / "study", env=environment)
    assert Engine.COMPILING not in out
    assert (tmp_path / "study" / "report.html").exists()
    assert not (Path(environment["DROPSTUDY_CACHE"]) / "kernels").exists()


def test_a_processor_without_avx2_trains_with_xla_and_doctor_says_so(installed, processor):
    command = (installed.python, "-c", RUN_ON, processor(frozenset()))
    out = run(*command, "doctor", env=installed.environment)
    assert re.search(
        f"^program: XLA's: the wheel's are for AVX-512 and AVX2, .*{re.escape(Engine.NO_COMPILER)}$",
        out,
        re.MULTILINE,
    )


def test_the_wheel_runs_wherever_that_of_jaxlib_does(wheel):
    def glibc(tags):
        return min(tuple(map(int, found)) for found in re.findall(r"manylinux_(\d+)_(\d+)_x86_64", tags))

    assert wheel.name.startswith("dropstudy-")
    assert "-py3-none-" in wheel.name
    assert glibc(wheel.name) <= glibc(distribution("jaxlib").read_text("WHEEL"))


def test_a_wheel_without_the_hook_is_pure_python(tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    (built,) = tmp_path.glob("*.whl")
    assert built.name.endswith("-py3-none-any.whl")
    assert not [name for name in ZipFile(built).namelist() if ".so" in name]
