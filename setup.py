"""Only what pyproject.toml cannot say: the C extension that cffi compiles at install."""

from setuptools import setup

setup(
    cffi_modules=[
        "python/labd/syscalls_build.py:ffi",
        "python/daemonlab/native_build.py:ffi",
    ]
)
