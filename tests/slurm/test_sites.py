"""A site is one small file; a slip in it is told by name."""

import pytest

from helpers.slurm.sites import ClusterError, Request, load_site, merge


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
        ('partitions = "a"', "'partitions', which is not known"),
        ('cores = "8"', "cores = '8', which should be of type int"),
        ("gpus = true", "gpus = True, which should be of type int"),
        ("gpus = -1", "gpus = -1, which must be 0 or more"),
        ("at_once = 0", "at_once = 0, which must be 1 or more"),
        ('setup = "module load"', "should be of type list"),
        ('ssh_to_nodes = "no"', "should be of type bool"),
        ("time = 02:00", "not a TOML file"),
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
    assert merge(Request(), {"gpus": 2, "time": "1-00:00:00"}, where="here") == Request(gpus=2, time="1-00:00:00")
    with pytest.raises(ClusterError, match="here says 'gpu'"):
        merge(Request(), {"gpu": 2}, where="here")
