"""The README promises what is there: lectures, files and verbs."""

import re
from pathlib import Path

from helpers.cli import table
from helpers.cli.help import STATUSES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_table_lists_the_lectures_that_exist():
    listed = re.findall(r"^\| \[.*?\]\((lectures/.*?\.ipynb)\)", README, flags=re.MULTILINE)
    names = sorted(path.name for path in (ROOT / "lectures").glob("*.ipynb"))
    # a copy such as 01_simple-Copy1.ipynb is somebody's own
    assert listed == [f"lectures/{name}" for name in names if re.fullmatch(r"\d\d_\w+\.ipynb", name)]


def test_every_link_leads_to_a_file():
    links = [link for link in re.findall(r"\]\((.*?)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_folder_that_is_named_is_there():
    folders = re.findall(r"^\| `(\w+/)` \|", README, flags=re.MULTILINE)
    assert "lectures/" in folders
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_every_verb_exists():
    verbs = set(re.findall(r"\./course ([\w-]+)", README))
    assert {"lab", "test"} <= verbs <= table.VERBS.keys()


def test_there_is_one_title():
    assert len(re.findall(r"^# ", README, flags=re.MULTILINE)) == 1


def test_exit_statuses_are_those_of_the_help():
    listed = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", README, flags=re.MULTILINE))
    assert listed == STATUSES
