"""Platforms: measured when left to mdtok, kept when named."""

import time

import pytest

from mdtok.errors import PlatformError
from mdtok.md import load_system, platforms, select_platform
from mdtok.md.platforms import PlatformChoice


@pytest.fixture(scope="module")
def alanine():
    return load_system("alanine_dipeptide")


def test_auto_takes_the_fastest_of_what_it_measured(alanine, caplog):
    caplog.set_level("INFO", logger="mdtok.md.platforms")
    choice = select_platform("auto", alanine)
    assert choice.steps_per_second == max(choice.measured.values())
    assert "Reference" in choice.measured and any(label.startswith("CPU") for label in choice.measured)
    fastest = max(choice.measured, key=choice.measured.get)
    assert fastest.startswith(choice.name)
    assert choice.name in caplog.text  # the user can see what was chosen and why


@pytest.mark.parametrize(("cpu", "expected"), [(120.0, "Reference"), (130.0, "CPU")])
def test_reference_is_preferred_among_near_equals(alanine, monkeypatch, cpu, expected):
    speeds = {"Reference": 100.0, "CPU": cpu}
    monkeypatch.setattr(platforms, "measure_speed", lambda choice, system: speeds.get(choice.name, 1.0))
    choice = select_platform("auto", alanine)
    assert choice.name == expected and choice.steps_per_second == speeds[expected]


def test_measuring_takes_about_a_second(alanine):
    began = time.process_time()
    select_platform("auto", alanine)
    assert time.process_time() - began < 15


@pytest.mark.parametrize("name", ["Reference", "CPU"])
def test_a_named_platform_is_kept(alanine, name):
    choice = select_platform(name, alanine)
    assert choice.name == name
    assert choice.measured == {}


def test_a_platform_that_is_not_there_lists_those_that_are(alanine):
    with pytest.raises(PlatformError, match="'TPU'.*CPU.*Reference"):
        select_platform("TPU", alanine)


def test_cores_are_shared_among_processes(alanine):
    assert select_platform("CPU", alanine, n_processes=10_000).properties["Threads"] == "1"


def test_a_choice_made_before_comes_back(alanine):
    choice = PlatformChoice("Reference", {})
    assert select_platform(choice, alanine) is choice


@pytest.mark.gpu
def test_cuda_runs(alanine):
    choice = select_platform("CUDA", alanine)
    assert choice.properties["Precision"] == "mixed"
