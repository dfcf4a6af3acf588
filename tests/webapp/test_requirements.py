"""The GPU server installs the same things, with faiss-gpu in the place of faiss-cpu."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def requirements(name: str) -> list[str]:
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    return sorted(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def test_gpu_requirements_differ_in_faiss_only():
    swapped = [line.replace("faiss-cpu", "faiss-gpu") for line in requirements("requirements.txt")]
    assert sorted(swapped) == requirements("requirements-gpu.txt")
