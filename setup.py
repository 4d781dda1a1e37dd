"""Map the top-level folders ``kernels/`` and ``traces/`` into the package and list the Cython extensions.

Everything else about the distribution is in ``pyproject.toml``.
"""

import os
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

# Vector loops need -O3; MSVC has its own spelling and vectorises at /O2. A product and a sum fused into one operation
# round once instead of twice: forbidden, because the same inputs give the same bits on every machine.
OPTIMISE = ["/O2"] if sys.platform == "win32" else ["-O3", "-ffp-contract=off"]

KERNELS = (
    "dram", "recnmp", "lowering", "sums", "sums_check", "text", "text_lines", "draws", "reuse", "stack_distance",
    "set_lru", "cache", "curves", "cache_chain", "cache_memory", "approx", "thermal_policy",
)  # fmt: skip


def extension(name: str) -> Extension:
    """Give setuptools the .pyx itself, so that source distributions carry it and not generated C."""
    return Extension(
        f"archsim.kernels.{name}",
        [f"kernels/{name}.pyx"],
        depends=[*glob("kernels/*.pxi"), *glob("kernels/*.h")],
        include_dirs=["kernels"],
        extra_compile_args=OPTIMISE,
    )


class BuildExt(build_ext):
    """Translate one kernel after another, which takes seconds, then run several C compilers at a time."""

    def finalize_options(self) -> None:
        """Take every core unless told otherwise."""
        super().finalize_options()
        if self.parallel is None:
            self.parallel = min(len(KERNELS), os.cpu_count() or 1)

    def build_extensions(self) -> None:
        """Translate all, then compile: Cython is not safe in threads, and leaves a C file that is up to date."""
        cythonize(self.extensions, quiet=True)
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildExt},
    packages=[
        *find_packages(include=["archsim", "archsim.*"]),
        "archsim.kernels",
        "archsim.traces",
        "archsim.traces.analysis",
        "archsim.traces.formats",
        "archsim.traces.generators",
    ],
    package_dir={"archsim.kernels": "kernels", "archsim.traces": "traces"},
    package_data={
        "archsim": [
            "py.typed",
            "presets/*/*.toml",
            "analog/*/*.toml",
            "approx/*.toml",
            "citations/*.bib",
            "citations/*.toml",
            "validate/data/*",
            "report/assets/*",
        ],
        "archsim.kernels": ["*.pyx", "*.pxi", "*.h"],
    },
    ext_modules=[extension(name) for name in KERNELS],
)
