# The lit suite: one directory a layer, mirrored by the folders beside this file.
import importlib.util
import os
import sys
import lit.formats

config.name = "routec"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".route", ".test"]
config.excludes = ["Inputs", "lit.cfg.py", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.route_build_dir, "test")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.route_build_dir, "bin"), config.llvm_tools_dir, os.environ["PATH"]]
)
config.substitutions.append(("%source", config.route_source_dir))
config.substitutions.append(("%build", config.route_build_dir))
config.substitutions.append(("%llvm_include", os.path.join(config.llvm_tools_dir, "..", "include")))
config.substitutions.append(("%python", sys.executable))
if config.route_sanitize:
    config.available_features.add("sanitize")
# Levels of x86-64 whose code this machine runs; all are compiled everywhere.
with open("/proc/cpuinfo") as file:
    flags = next((set(line.split()) for line in file if line.startswith("flags")), set())
if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags:
    config.available_features.add("x86-64-v4")
    if "avx512_bf16" in flags:
        config.available_features.add("x86-64-v4-bf16")
for package in ("torch", "numpy"):
    if importlib.util.find_spec(package):
        config.available_features.add(package)
