"""The numbers a forward pass computes with, and which processors are fast at them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

DEFAULT = "fp32"


@dataclass(frozen=True)
class Precision:
    """A name on the command line, torch's type for it, and OpenVINO's hint."""

    name: str
    dtype: torch.dtype
    hint: str


def precision_of(name: str) -> Precision:
    """The named precision; ValueError for another word."""
    if name not in PRECISIONS:
        raise ValueError(f"precision {name!r} is not known: choose one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def cpu_multiplies(precision: Precision) -> bool:
    """Whether this processor has instructions that multiply such numbers (AVX512-BF16 or AMX; AVX512-FP16 or AMX).

    Without them every layer would convert to float32 and back, slower than float32 itself.
    """
    if precision.name == DEFAULT:
        return True
    has = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    names = {"bf16": ("avx512_bf16", "amx_bf16"), "fp16": ("avx512_fp16", "amx_fp16")}[precision.name]
    return any(has.get(name, False) for name in names)


PRECISIONS: dict[str, Precision] = {
    DEFAULT: Precision(DEFAULT, torch.float32, "f32"),
    "bf16": Precision("bf16", torch.bfloat16, "bf16"),
    "fp16": Precision("fp16", torch.float16, "f16"),
}
