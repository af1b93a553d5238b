"""A site is one small file; a slip in it is told by name."""

import re
from dataclasses import fields

import pytest

from helpers.slurm import sites
from helpers.slurm.sites import ClusterError, Request, Site, load_site, merge


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    """Give a student's own folder of settings, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_SITE", raising=False)
    (tmp_path / "course").mkdir()
    return tmp_path / "course"


def test_a_student_s_own_file_comes_before_the_plain_one(config, monkeypatch):
    assert load_site().name == "plain"
    (config / "site.toml").write_text('time = "00:20:00"\nlogin = "here"\n')
    own = load_site()
    assert (own.name, own.login, own.request.time, own.request.memory) == ("site", "here", "00:20:00", "8G")
    monkeypatch.setenv("COURSE_SITE", "oscer")
    assert load_site().name == "oscer"
    assert load_site("plain").name == "plain"


@pytest.mark.parametrize("name", ["plain", "oscer"])
def test_the_sites_that_are_shipped_are_whole(name):
    site = load_site(name)
    assert site.request.time and site.request.memory and site.request.cores and site.course == "./course"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'partitions = "a"',
            r"mine.toml, line 1: 'partitions' is not known\. Did you mean 'partition'\?.* gpu_",
        ),
        ('cores = "8"', "line 1: cores must be a valid integer; received '8'"),
        ("gpus = true", "gpus must be a valid integer; received True"),
        ("gpus = -1", "gpus must be greater than or equal to 0; received -1"),
        ("at_once = 0", "at_once must be greater than 0; received 0"),
        ('setup = "module load"', "setup must be a valid list; received 'module load'"),
        ('ssh_to_nodes = "no"', "ssh_to_nodes must be a valid boolean; received 'no'"),
        ("time = 02:00", "not a TOML file"),
        ("time = 02:00:00", r"time must be a valid string; received datetime.time\(2, 0\)"),
        ("cores = 2.0", "cores must be a valid integer; received 2.0"),
        ('# all\n\nsbatch = ["--qos=long", 3]', r"line 3: sbatch\[1\] must be a valid string; received 3"),
        ("[request]\ncores = 3", "line 1: 'request' is not known"),
        ('name = "mine"', "'name' is not known"),
        ('gpu = "--gpus={n}"', r"gpu must be an option with \{gpus\} for the number.*received '--gpus=\{n\}'"),
        ('gpu = "--gres=gpu:{gpus"', "gpu must be an option with"),
        ('gpu = ""', "gpu must be an option with"),
        ('gpu = "gpu:{gpus}"', "gpu must be an option with"),
        ('gpu = "--gres=gpu:1"', "gpu must be an option with"),
        ('memory = "8 GB"', "memory must be a whole number with a unit, such as 16G; received '8 GB'"),
        ('memory = "lots"', "memory must be a whole number with a unit"),
        ('partition = "a b"', "partition must be the name of a partition"),
        ('gpu_partition = "a\'b"', "gpu_partition must be the name of a partition"),
        ('mail = "me@ou.edu --wrap=x"', "mail must be an address"),
        ('gpu_type = "a100:4"', "gpu_type must be a kind of GPU"),
        (
            'sbatch = ["--output=here"]',
            r"sbatch\[0\] must be an option that the course does not write itself",
        ),
        ('sbatch = ["--time=1"]', "does not write itself, as it does --time"),
        ('sbatch = ["#SBATCH --qos=long"]', "must be an option of sbatch"),
        ("setup = [3]", r"setup\[0\] must be a valid string; received 3"),
        ('acount = "a"', r"'acount' is not known\. Did you mean 'account'\?"),
    ],
)
def test_a_slip_is_told_by_name(config, text, told):
    (config / "mine.toml").write_text(text)
    with pytest.raises(ClusterError, match=told):
        load_site(str(config / "mine.toml"))


def test_a_site_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(ClusterError, match=r"'oscar'.*oscer, plain"):
        load_site("oscar")


def test_requests_are_laid_over_each_other():
    assert merge(
        Request(),
        {"gpus": 2, "time": "1-00:00:00"},
    ) == Request(gpus=2, time="1-00:00:00")
    with pytest.raises(ClusterError, match=r"^here: 'gpu' is not known\. Did you mean 'gpus'\?"):
        merge(Request(), {"gpu": 2}, lambda key: "here")


@pytest.mark.parametrize("character", ["\\n", "\\r", "\\t", "\\u0000", "\\u001b", "\\u007f", "\\u0085", "\\u2028"])
def test_control_characters_get_into_no_field_of_a_script(config, character):
    """A line break in a field would begin a line of the script: a command that nobody asked for."""
    path = config / "mine.toml"
    for each in [*fields(Request), *fields(Site)]:
        if each.type in (str, list[str]) and each.name != "name":
            text = f'"a{character}rm -r x"'
            path.write_text(f"{each.name} = {text if each.type is str else f'[{text}]'}", encoding="utf-8")
            with pytest.raises(ClusterError, match=rf"line 1: {each.name}.* must be text on one line, without control"):
                load_site(str(path))


@pytest.mark.parametrize("name", ["normal", "gpu_a100,debug-5min", ""])
def test_names_of_partitions_are_taken_as_they_are(name):
    assert merge(Request(), {"partition": name, "memory": "512m", "mail": "a.b+c@ou.edu"}).partition == name


def test_a_mark_at_the_beginning_is_passed_over(config):
    (config / "mine.toml").write_bytes(b"\xef\xbb\xbf" + b'login = "here"')
    assert load_site(str(config / "mine.toml")).login == "here"


@pytest.mark.parametrize("text", [b"\xff\xfe", b'partition = "a\nb"'])
def test_a_site_file_that_is_no_text_or_no_toml_is_told(config, text):
    (config / "mine.toml").write_bytes(text)
    with pytest.raises(ClusterError, match=r"mine.toml is not a TOML file: "):
        load_site(str(config / "mine.toml"))


def test_the_page_on_oscer_says_of_each_step_whether_it_was_tried():
    page = (sites.ROOT / "docs/oscer.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d) [^|]*\| (.+) \|$", page, re.MULTILINE))
    assert list(rows) == re.findall(r"^## (\d) ", page, re.MULTILINE)
    assert all("not" in told for told in rows.values()), "nobody has tried any of it there"
