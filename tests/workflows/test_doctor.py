"""The doctor: what it finds here, and what it says where nothing is found."""

import numpy as np
import openmm
import pytest
import torch

from mdtok.workflows import doctor


def test_what_is_here_is_found():
    found = doctor.examine(seconds=0.05)
    assert found.versions["numpy"] == np.__version__
    assert "Reference" in [one.name for one in found.platforms if not one.why_not]
    assert found.free_disk_gb > 0 and found.free_memory_gb > 0 and found.n_cores >= 1
    table = str(found)
    assert "steps/s" in found.speed and found.speed in table
    assert all(f"OpenMM {one.name}" in table for one in found.platforms)


def test_the_command_prints_the_table(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "speed_of_alanine", lambda seconds: "fast")
    doctor.run_doctor()
    assert "fast" in capsys.readouterr().out


def test_a_machine_where_no_platform_runs(monkeypatch):
    def refuse(*arguments):
        raise openmm.OpenMMException("No device\nanswers")

    monkeypatch.setattr(openmm, "Context", refuse)
    monkeypatch.setattr(
        openmm.Platform, "getPluginLoadFailures", lambda: ("libOpenMMCUDA.so: libcuda.so.1\nis not there",)
    )
    found = doctor.examine()
    assert {one.why_not for one in found.platforms} == {"No device answers"}
    assert found.speed == "alanine dipeptide does not run: No device answers"
    assert "libOpenMMCUDA.so: libcuda.so.1 is not there" in str(found)
    assert "OpenMM Reference" in str(found) and "does not run: No device answers" in str(found)


@pytest.mark.parametrize(
    "built_for, words",
    [(None, "built without CUDA"), ("12.8", "built for CUDA 12.8, but no device or no driver answers")],
)
def test_a_machine_without_cuda(monkeypatch, built_for, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    assert words in doctor.find_torch_devices()


def test_a_machine_with_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"card {index}")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert doctor.find_torch_devices() == "CUDA 12.8: card 0, card 1"


def test_a_package_that_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package-of-ours"))
    versions = doctor.find_versions()
    assert versions["no-such-package-of-ours"] == "not installed" and versions["numpy"][0].isdigit()
