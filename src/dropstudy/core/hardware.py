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

_CPU_INFO = Path("/proc/cpuinfo")
_NVIDIA = Path("/dev/nvidiactl")
_CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
_COMPUTE_CAPABILITY = ("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
_AMPERE = 8.0


def physical_cores() -> int:
    """Number of physical cores that this process may use, within its container and CPU affinity."""
    return int(loky.cpu_count(only_physical_cores=True))


def choose_device(requested: str = "auto") -> Device:
    """Choose the device for training.

    Args:
        requested: `cpu`, `gpu`, or `auto`: the GPU where jax can use one, else the CPU.

    Raises:
        InvalidArgument: the device is unknown, or a GPU that jax cannot use.
    """
    if requested not in DEVICES:
        raise InvalidArgument("device", expected="auto, cpu or gpu", received=repr(requested))
    obstacle = _gpu_obstacle()
    if requested == "gpu" and obstacle is not None:
        raise InvalidArgument(
            "device",
            expected="an NVIDIA GPU that jax can use",
            received=obstacle,
            next_step="Use cpu, or auto.",
        )
    return "cpu" if requested == "cpu" or obstacle is not None else "gpu"


def why_device() -> str:
    """Reason for the device that `auto` chooses."""
    obstacle = _gpu_obstacle()
    return "an NVIDIA GPU is here and jax can use it" if obstacle is None else obstacle


def bfloat16_is_faster(device: Device) -> bool:
    """True for NVIDIA GPUs from Ampere on; test accuracies were equal within 0.05 points (benchmarks/README.md).

    On a CPU the compiled program, in float32, skips zeros and is faster.
    """
    if device == "cpu":
        return False
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
    return "bfloat16" if bfloat16_is_faster(device) else "float32"


def why_precision(device: Device) -> str:
    """Reason for the precision that `auto` takes."""
    if bfloat16_is_faster(device):
        return "this GPU multiplies bfloat16 in hardware; weights and sums stay float32"
    return (
        "a CPU trains fastest in float32"
        if device == "cpu"
        else "this GPU does not multiply bfloat16 in hardware"
    )


def _gpu_obstacle() -> str | None:
    """Reason why jax cannot use a GPU, or None."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return f"JAX_PLATFORMS={platforms}, which excludes GPUs"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in {"", "-1"}:
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    if not _NVIDIA.exists():
        return "no NVIDIA GPU on this machine"
    if not any(find_spec(plugin) for plugin in _CUDA_PLUGINS):
        return "an NVIDIA GPU, but jax without CUDA: install dropstudy[gpu]"
    return None


def processor() -> str:
    """Model name of this machine's CPU."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def machine_key() -> str:
    """Key of the processor, its instruction sets, the system and the C library, on which compiled code depends.

    Machines with different processors may share a home folder, and code compiled on one can crash on another.
    """
    parts = (
        *sorted(instructions()),
        processor(),
        platform.system(),
        platform.machine(),
        *platform.libc_ver(),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def instructions() -> frozenset[str]:
    """Instruction sets of the CPU, as Linux names them; empty on other systems."""
    return frozenset((_cpu_info("flags") or _cpu_info("Features")).split())


def _cpu_info(name: str) -> str:
    """Entry of /proc/cpuinfo for the first CPU; empty where there is no such file."""
    if not _CPU_INFO.is_file():
        return ""
    for line in _CPU_INFO.read_text().splitlines():
        field, _, value = line.partition(":")
        if field.strip() == name:
            return value.strip()
    return ""
