import pytest

from dropstudy.core import hardware
from dropstudy.errors import InvalidArgument

AMX = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16\n"
OLD = "processor\t: 0\nflags\t\t: fpu avx2 avx512f\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose /proc/cpuinfo reads as given, without a GPU."""

    def make(cpuinfo):
        path = tmp_path / "cpuinfo"
        if cpuinfo is not None:
            path.write_text(cpuinfo)
        monkeypatch.setattr(hardware, "_CPU_INFO", path)
        monkeypatch.setattr(hardware, "_NVIDIA", tmp_path / "nvidiactl")
        monkeypatch.delenv("JAX_PLATFORMS", raising=False)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return make


@pytest.mark.parametrize("cpuinfo", [AMX, OLD, None])
def test_auto_takes_float32_on_a_cpu(machine, cpuinfo):
    machine(cpuinfo)
    assert hardware.choose_precision("auto", "cpu") == "float32"
    assert "float32" in hardware.why_precision("cpu")


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_a_requested_precision_is_used(machine, asked):
    machine(OLD)
    assert hardware.choose_precision(asked, "cpu") == asked


def test_an_absent_gpu_is_refused_with_the_reason_and_auto_uses_the_cpu(machine):
    machine(AMX)
    assert hardware.choose_device("auto") == "cpu"
    with pytest.raises(InvalidArgument, match=r"device: expected an NVIDIA GPU.*no NVIDIA GPU.*Use cpu"):
        hardware.choose_device("gpu")


def test_a_gpu_that_jax_cannot_use_differs_from_none(machine, tmp_path, monkeypatch):
    machine(AMX)
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(hardware, "find_spec", lambda _: None)
    assert hardware.choose_device("auto") == "cpu"
    with pytest.raises(InvalidArgument, match=r"jax without CUDA: install dropstudy\[gpu\]"):
        hardware.choose_device("gpu")
    monkeypatch.setattr(hardware, "find_spec", lambda name: name)
    assert hardware.choose_device("auto") == "gpu"
    for name, value in (
        ("JAX_PLATFORMS", "cpu"),
        ("CUDA_VISIBLE_DEVICES", ""),
        ("CUDA_VISIBLE_DEVICES", "-1"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert hardware.choose_device("auto") == "cpu"
            assert name in hardware.why_device()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert hardware.choose_device("auto") == "gpu"


def test_an_unknown_device_is_refused():
    with pytest.raises(InvalidArgument, match="auto, cpu or gpu"):
        hardware.choose_device("tpu")


@pytest.mark.parametrize(
    ("answer", "native"), [("9.0\n", True), ("8.0\n", True), ("7.5\n", False), ("", False), ("?\n", False)]
)
def test_a_gpu_multiplies_bfloat16_from_ampere_on(tmp_path, monkeypatch, answer, native):
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\nprintf '{answer}'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(hardware, "_COMPUTE_CAPABILITY", (str(tool),))
    assert hardware.bfloat16_is_faster("gpu") == native


def test_without_nvidia_smi_a_gpu_is_not_assumed_to_multiply_bfloat16(monkeypatch):
    monkeypatch.setattr(hardware, "_COMPUTE_CAPABILITY", ("/nonexistent/tool",))
    assert not hardware.bfloat16_is_faster("gpu")
