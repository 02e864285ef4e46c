"""Device and precision of this machine, found without importing the array framework."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import loky

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from dropstudy.core.types import Precision

Device = Literal["cpu", "gpu"]
DEVICES = ("auto", "cpu", "gpu")

SHOWN_EQUAL = True
"""Whether paired runs have shown that bfloat16 products change test accuracy by less than 0.05 points, the 95% interval
included: benchmarks/precision.py, result in benchmarks/README.md."""

_CPU_INFO = Path("/proc/cpuinfo")
_NVIDIA = Path("/dev/nvidiactl")
_CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
_COMPUTE_CAPABILITY = ("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
_AMPERE = 8.0
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def physical_cores() -> int:
    """Cores that this process may use, hyper-threads counted once; containers and affinity respected."""
    return int(loky.cpu_count(only_physical_cores=True))


def choose_device(asked: str = "auto") -> Device:
    """The device that training will use.

    Args:
        asked: `cpu`, `gpu`, or `auto` for the GPU where there is one and jax can drive it, else the CPU.

    Raises:
        InvalidArgument: a GPU is asked for and there is none, or jax cannot drive it.
    """
    if asked not in DEVICES:
        raise InvalidArgument("device", expected="auto, cpu or gpu", received=repr(asked))
    obstacle = _gpu_obstacle()
    if asked == "gpu" and obstacle is not None:
        raise InvalidArgument(
            "device",
            expected="an NVIDIA GPU that jax can use",
            received=obstacle,
            next_step="Use --device cpu, or leave it out.",
        )
    return "cpu" if asked == "cpu" or obstacle is not None else "gpu"


def why_device() -> str:
    """Reason for the device that `auto` takes."""
    obstacle = _gpu_obstacle()
    return "an NVIDIA GPU is here and jax can use it" if obstacle is None else obstacle


def native_bfloat16(device: Device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: x86 with AVX512-BF16 or AMX, NVIDIA from Ampere on."""
    if device == "cpu":
        return bool(_BFLOAT16_FLAGS & _cpu_flags())
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command
            _COMPUTE_CAPABILITY, capture_output=True, text=True, timeout=10, check=True
        )
        return float(answer.stdout.splitlines()[0]) >= _AMPERE
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return False


def choose_precision(asked: Precision, device: Device) -> Literal["float32", "bfloat16"]:
    """Precision that `auto` stands for on this machine; the others stay as they are."""
    if asked != "auto":
        return asked
    return "bfloat16" if SHOWN_EQUAL and native_bfloat16(device) else "float32"


def why_precision(device: Device) -> str:
    """Reason for the precision that `auto` takes."""
    if not native_bfloat16(device):
        return f"this {device} has no bfloat16 instructions that we know of"
    if SHOWN_EQUAL:
        return f"this {device} multiplies bfloat16 in hardware; weights and sums stay float32"
    return "bfloat16 products, faster here, are not yet shown to leave test accuracy within 0.05 points"


def _gpu_obstacle() -> str | None:
    """Reason why jax cannot use a GPU, or None."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return f"JAX_PLATFORMS={platforms}, which leaves GPUs out"
    if not _NVIDIA.exists():
        return "no NVIDIA GPU on this machine"
    if not any(find_spec(plugin) for plugin in _CUDA_PLUGINS):
        return "an NVIDIA GPU, but jax without CUDA: install dropstudy[gpu]"
    return None


def processor() -> str:
    """Model name of this machine's CPU."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def machine_key() -> str:
    """A short key of what compiled code depends on: processor, its instruction sets, system and C library.

    Home folders are shared by machines of several kinds, and code of one kind may kill a process on another.
    """
    told = (*sorted(_cpu_flags()), processor(), platform.system(), platform.machine(), *platform.libc_ver())
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]


def _cpu_flags() -> set[str]:
    """Instruction sets of the CPU, where the system tells."""
    return set(_cpu_info("flags").split())


def _cpu_info(name: str) -> str:
    """Entry of /proc/cpuinfo for the first CPU; empty where there is no such file."""
    if not _CPU_INFO.is_file():
        return ""
    for line in _CPU_INFO.read_text().splitlines():
        field, _, value = line.partition(":")
        if field.strip() == name:
            return value.strip()
    return ""
