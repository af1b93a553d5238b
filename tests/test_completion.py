"""What a shell offers behind `./course`: words of the table of verbs."""

import shutil
import subprocess

import pytest

from helpers.cli.table import VERBS, completion


def offered(*words: str) -> list[str]:
    """Return what bash offers for the last of some words."""
    ask = '_course; printf "%s\\n" "${COMPREPLY[@]}"'
    code = f'{completion("bash")}\nCOMP_WORDS=(./course "$@") COMP_CWORD=$#\n{ask}'
    done = subprocess.run(["bash", "-c", code, "bash", *words], text=True, capture_output=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_verbs_groups_options_and_names_are_offered():
    assert offered("") == list(VERBS)
    assert offered("ho") == ["homework"]
    assert offered("data", "st") == ["stats", "stage"]
    assert offered("data", "pack", "a", "--z") == ["--zstd"]
    assert offered("data", "fetch", "m") == ["mnist"]
    options = ["--help", "--index", "--list", "--missing", "--check", "--data", "--fresh", "--tensorboard", "--wandb"]
    assert offered("train", "x.toml", "--") == options
    assert offered("homework", "check", "hw1_") == ["hw1_dense"]
    assert offered("help", "la") == ["lab"]


@pytest.mark.parametrize("words", [("data", "check", ""), ("train", ""), ("run", "pyt")])
def test_where_a_file_is_wanted_the_shell_offers_files(words):
    assert offered(*words) == []


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_is_what_its_shell_understands(shell):
    program = shutil.which(shell) or shutil.which("bash")  # the two differ in one line
    done = subprocess.run([program, "-n"], input=completion(shell), text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
