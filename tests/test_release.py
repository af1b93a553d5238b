"""A release is told the same everywhere: its version, its licences, what changed."""

import re
import tomllib
from pathlib import Path

import yaml

from helpers.cli.table import run_version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
RELEASES = re.findall(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)


def test_the_version_is_the_same_everywhere(capsys):
    run_version(None)
    assert f" {PROJECT['version']}," in capsys.readouterr().out
    assert RELEASES[0] == (PROJECT["version"], str(CITATION["date-released"]))
    assert CITATION["version"] == PROJECT["version"]


def test_newer_releases_stand_above_older_ones():
    assert sorted(RELEASES, key=lambda release: [int(part) for part in release[0].split(".")], reverse=True) == RELEASES


def test_the_citation_has_what_the_format_requires():
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= CITATION.keys()


def test_each_licence_is_there_and_names_its_holder():
    assert PROJECT["license"] == CITATION["license"] == "MIT"
    licences = [(ROOT / name).read_text() for name in PROJECT["license-files"]]
    holder = f"Copyright (c) 2026 {CITATION['authors'][0]['name']}"
    assert [holder in licence for licence in licences] == [True, True]
    assert licences[0].startswith("MIT License")
    assert "https://creativecommons.org/licenses/by/4.0/" in licences[1]
