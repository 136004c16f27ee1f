"""The numbers a forward pass computes with, and which processors are fast at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEFAULT = "fp32"
INT8 = "int8"  # of the graph that `isamap quantize` writes


@dataclass(frozen=True)
class Precision:
    """A name on the command line, the name of torch's type for it, and OpenVINO's hint."""

    name: str
    torch_name: str
    hint: str

    @property
    def dtype(self) -> torch.dtype:
        """torch's type."""
        import torch

        dtype: torch.dtype = getattr(torch, self.torch_name)
        return dtype


def precision_of(name: str) -> Precision:
    """The named precision; ValueError for another word."""
    if name not in PRECISIONS:
        raise ValueError(f"precision {name!r} is not known: choose one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def cpu_multiplies(precision: Precision) -> bool:
    """Whether this processor has instructions that multiply such numbers: AVX512-BF16, AVX512-FP16, VNNI, or AMX.

    Without them every layer would convert to float32 and back, slower than float32 itself; products of 8 bits would
    overflow their 16 bits on x86 (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
    """
    if precision.name == DEFAULT:
        return True
    import torch

    has = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if precision.name == INT8 and has.get("architecture") not in ("x86_64", None):
        return True
    return any(has.get(name, False) for name in _INSTRUCTIONS[precision.name])


def check_int8() -> None:
    """ValueError where this processor does not multiply numbers of 8 bits."""
    if not cpu_multiplies(PRECISIONS[INT8]):
        raise ValueError(
            f"precision {INT8}: this processor has no VNNI instructions, without which products of 8 bits overflow and "
            f"are no faster; leave it out"
        )


_INSTRUCTIONS = {
    "bf16": ("avx512_bf16", "amx_bf16"),
    "fp16": ("avx512_fp16", "amx_fp16"),
    INT8: ("avx512_vnni", "avx_vnni", "amx_int8"),
}
PRECISIONS: dict[str, Precision] = {
    DEFAULT: Precision(DEFAULT, "float32", "f32"),
    "bf16": Precision("bf16", "bfloat16", "bf16"),
    "fp16": Precision("fp16", "float16", "f16"),
    INT8: Precision(INT8, "int8", "f32"),  # the hint is for the layers that stay in fp32
}
