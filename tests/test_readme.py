"""The README and the pages in docs/ promise what is there: lectures, files, folders, verbs and options."""

import re
from pathlib import Path

import pytest

from helpers.cli import table
from helpers.cli.table import STATUSES, find
from helpers.cli.verbs import Group
from helpers.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
ROOMS = r"\.ci|authoring|benchmarks|datasets|docs|helpers|homework|lectures|tests"
# What stands for other names in a path, and what it may be
PLACEHOLDERS = {"NN_name": "[0-9][0-9]_*", "NN": "[0-9][0-9]", "hwN_name": "hw[0-9]_*", "NAME": "*", "HW": "hw*"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def anchor(heading: str) -> str:
    """Return what a link to a heading ends with."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def leads_nowhere(link: str, page: Path) -> bool:
    path, _, part = link.partition("#")
    target = page.parent / path if path else page
    headings = re.findall(r"^#+ (.*)$", target.read_text(), flags=re.MULTILINE) if part else []
    return not target.exists() or (bool(part) and part not in map(anchor, headings))


def paths(text: str) -> set[str]:
    """Return the files and folders that a page names in backticks or commands."""
    return set(re.findall(rf"(?<![\w/.*-])((?:{ROOMS})/[\w./*-]*)", re.sub(r"\]\(.*?\)", "", text)))


def is_missing(path: str) -> bool:
    for name, pattern in PLACEHOLDERS.items():
        path = re.sub(rf"\b{name}\b|(?<=/){name}(?=\.)", pattern, path)
    return not any(ROOT.glob(path.rstrip("./")))


def commands(text: str) -> list[list[str]]:
    """Return the words behind each `./course` in backticks and fences."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))
    found = re.findall(r"\./course ([^`\n]*)", code)
    return [words for line in found if (words := re.split(r"\s+", line.partition(">>")[0].strip())) != ["…"]]


def slips(words: list[str]) -> list[str]:
    """Return the words of a command that are no verb or no option of it."""
    try:
        name, verb, rest = find([word for word in words if word != "VERB"])
    except UsageError as error:
        return [str(error)]
    if not verb or isinstance(verb, Group) or verb.passes_on or name == "run":
        return []
    known = verb.parser(name).options()
    return [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]


def test_the_table_lists_the_lectures_that_exist():
    listed = re.findall(r"^\| \[.*?\]\((lectures/.*?\.ipynb)\)", README, flags=re.MULTILINE)
    names = sorted(path.name for path in (ROOT / "lectures").glob("*.ipynb"))
    # a copy such as 01_simple-Copy1.ipynb is somebody's own
    assert listed == [f"lectures/{name}" for name in names if re.fullmatch(r"\d\d_\w+\.ipynb", name)]


def test_the_page_of_lectures_lists_the_same():
    titles = re.findall(r"^\| \[(.*?)\]", README, flags=re.MULTILINE)
    page = (ROOT / "docs/lectures.md").read_text()
    assert re.findall(r"^\| (\d\d .*?) \|", page, flags=re.MULTILINE) == titles
    homework = sorted(path.stem for path in ROOT.glob("homework/*/*.ipynb") if path.stem == path.parent.name)
    assert re.findall(r"^\| `(hw\w+)` \|", page, flags=re.MULTILINE) == homework


def test_three_doors_each_begin_with_two_commands():
    doors = re.findall(r"^## (.*?)\n\n```\n(.*?)```", README, flags=re.MULTILINE | re.DOTALL)
    assert [name for name, _ in doors] == ["I am a student", "I teach", "I maintain"]
    assert [len(re.findall(r"^\./course ", block, flags=re.MULTILINE)) for _, block in doors] == [2, 2, 2]
    assert doors[0][1] == "./course lab\n./course test\n"


@each_page
def test_every_link_leads_to_a_file(page):
    links = [link for link in re.findall(r"\]\((.*?)\)", page.read_text()) if "://" not in link]
    assert links or page != ROOT / "README.md"
    assert [link for link in links if leads_nowhere(link, page)] == []


@each_page
def test_every_file_that_is_named_is_there(page):
    assert [path for path in sorted(paths(page.read_text())) if is_missing(path)] == []


def test_every_folder_that_is_named_is_there():
    for page in ("README.md", "docs/architecture.md"):
        folders = re.findall(r"^\| `(\w+/)` \|", (ROOT / page).read_text().partition("## The rooms")[0], re.MULTILINE)
        assert "lectures/" in folders
        assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_every_file_of_the_first_folder_that_contributors_are_told_of_is_there():
    named = re.findall(r"`([\w-]+\.(?:cff|md|py|toml|txt|yml))`", (ROOT / "CONTRIBUTING.md").read_text())
    assert "pyproject.toml" in named
    assert [name for name in named if is_missing(name)] == []


@each_page
def test_every_verb_and_option_exists(page):
    assert [slip for words in commands(page.read_text()) for slip in slips(words)] == []


def test_the_readme_names_verbs():
    verbs = set(re.findall(r"\./course ([\w-]+)", README))
    assert {"lab", "test"} <= verbs <= table.VERBS.keys()


@each_page
def test_there_is_one_title(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1


@each_page
def test_every_picture_says_in_words_what_it_shows(page):
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text())
    assert [link for words, link in pictures if len(words.split()) < 5] == []


def test_exit_statuses_are_those_of_the_help():
    listed = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", (ROOT / "docs/installing.md").read_text(), flags=re.MULTILINE))
    assert listed == STATUSES


@pytest.mark.parametrize("command", ["dats list", "data lists", "data check --jsn DIR", "check --reports"])
def test_a_command_that_is_not_there_would_be_seen(command):
    assert [slip for words in commands(f"Try `./course {command}`.") for slip in slips(words)]


@pytest.mark.parametrize("path", ["helpers/cellar.py", "lectures/NN_gone.ipynb", "homework/HW/HW.txt"])
def test_a_file_that_is_not_there_would_be_seen(path):
    assert [each for each in paths(f"See `{path}`, please.") if is_missing(each)] == [path]


@pytest.mark.parametrize("link", ["docs/cellar.md", "#i-sleep", "docs/data.md#gone"])
def test_a_link_to_nowhere_would_be_seen(link):
    assert leads_nowhere(link, ROOT / "README.md")
