"""What the machine has."""

import os
import platform
from pathlib import Path


def n_cores() -> int:
    """Those that this process may use, where the system tells."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")  # Ray gives each actor a share of the machine by it
    return min(n, int(allowed)) if allowed.isdigit() and int(allowed) else n


def bytes_are_exact(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor sums products of bytes without overflow.

    x86 before VNNI adds pairs of them in 16 bits, which may overflow (onnxruntime's guide to quantisation, "U8S8").
    Only Linux tells what an x86 processor has; those of other systems are taken for such.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return True
    flags = cpu_info.read_text().split() if cpu_info.exists() else []
    return "avx512_vnni" in flags or "avx_vnni" in flags
