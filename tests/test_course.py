"""The script `course`: what it does on a machine that has, or lacks, what it needs.

In test_environment.py a clean clone does everything for real.
"""

import os
import shutil
import subprocess
import sys

import pytest
from machine import Machine

from helpers.cli.table import every_verb

AGED_PYTHON = """#!/bin/sh
[ "$1" != -P ] || exit 99
exec %s -c 'import sys; sys.version_info = %s; exec(sys.argv[1])' "$2"
"""


@pytest.fixture(params=["sh", "bash"])
def machine(tmp_path, request):
    return Machine(tmp_path, request.param)


@pytest.fixture
def ready(machine):
    """Give a machine on which the first run has been."""
    assert machine.course("test").returncode == 0
    return machine


def test_the_first_run_sets_up_and_hands_the_verb_on(machine):
    done = machine.course("test", "-k", "two words")
    assert (done.returncode, done.stdout) == (0, f"{machine.folder}\n")
    assert "setting up .venv (cpu)" in done.stderr
    assert len(machine.asked(f"--constraint {machine.root}/requirements.txt -e .[cpu]")) == 1
    assert machine.asked("helpers.cli") == [
        "-P -m helpers.cli --before-set-up test -k two words",
        "-P -m helpers.cli test -k two words",
    ]
    assert machine.is_set_up
    assert not (machine.root / ".venv/course-busy").exists()


def test_the_second_run_installs_nothing_and_says_nothing(ready):
    done = ready.course("test")
    assert done.stderr == ""
    assert ready.asked("install") == ready.asked("venv") == []
    assert ready.asked("helpers.cli") == ["-P -m helpers.cli test"]


def test_run_starts_the_command_where_the_caller_is_and_nothing_else(ready):
    done = ready.course("run", "sh", "-c", 'pwd; echo "$PATH"; exit 7')
    assert done.stdout.splitlines() == [str(ready.folder), f"{ready.root}/.venv/bin:{ready.bin}"]
    assert done.returncode == 7
    assert ready.asked("helpers") == []


@pytest.mark.parametrize("others", ["/theirs", "/theirs:/more"])
def test_run_finds_our_helpers_before_those_on_the_path_of_python(ready, others):
    done = ready.course("run", "sh", "-c", 'echo "$PYTHONPATH"', PYTHONPATH=others)
    assert done.stdout == f"{ready.root}:{others}\n"
    assert ready.course("run", "sh", "-c", 'echo "${PYTHONPATH-not set}"').stdout == "not set\n"


def test_run_without_a_command_asks_for_one(ready):
    ready.course("run")
    assert ready.asked("helpers.cli") == ["-P -m helpers.cli run"]


def test_a_command_that_is_not_there_is_named(ready):
    done = ready.course("run", "pyhton", "x.py")
    assert (done.returncode, done.stderr) == (
        127,
        "course: there is no command pyhton, neither in .venv nor on the PATH.\n",
    )


@pytest.mark.parametrize("status", [0, 1, 2])
def test_what_can_be_answered_without_a_set_up_is_answered_without(machine, status):
    machine.give("python3.12", f"#!/bin/sh\ncase $* in *--before-set-up*) exit {status} ;; esac\n")
    assert machine.course("whatever", "--help").returncode == status
    assert not (machine.root / ".venv").exists()


def test_without_a_fitting_python_it_says_which_it_wants(machine):
    machine.faults = ["version_info"]
    done = machine.course("test")
    assert done.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13" in done.stderr
    assert "PYTHON=/path/to/" in done.stderr
    assert not (machine.root / ".venv").exists()


@pytest.mark.parametrize("version, fits", [((3, 10, 9), 0), ((3, 11, 0), 1), ((3, 13, 7), 1), ((3, 14, 0), 0)])
def test_python_3_11_to_3_13_fits(machine, version, fits):
    machine.give("python3.12", AGED_PYTHON % (sys.executable, version))
    complaint = machine.course("test").stderr
    assert ("no Python 3.11" in complaint) != fits
    assert ("could not make a virtual environment" in complaint) == fits  # all that the aged Python cannot do


def test_a_python_that_is_named_is_the_only_one_tried(machine):
    done = machine.course("test", PYTHON="/no such/python")
    assert done.returncode == 1
    assert "tried: /no such/python\n" in done.stderr
    assert machine.asked("version_info") == []


def test_without_the_venv_module_it_says_what_to_install(machine):
    machine.faults = ["-m venv"]
    done = machine.course("test")
    assert done.returncode == 1
    assert "python3-venv" in done.stderr
    assert not (machine.root / ".venv").exists()


@pytest.mark.parametrize("fault", ["pip install --quiet uv", "-m uv"])
def test_where_uv_cannot_be_had_or_fails_pip_does_the_work(machine, fault):
    machine.faults = [fault]
    assert machine.course("test").returncode == 0
    assert len(machine.asked(f"-m pip install --quiet --constraint {machine.root}/requirements.txt -e .[cpu]")) == 1
    assert machine.is_set_up


def test_uv_starts_in_the_checkout_and_not_in_somebody_elses_project(machine):
    machine.course("run", "true")
    assert (machine.folder / "log.uv").read_text() == f"{machine.root}\n"


def test_pip_can_be_asked_for(machine):
    assert machine.course("test", COURSE_INSTALLER="pip").returncode == 0
    assert machine.asked(" uv") == []
    assert len(machine.asked("pip install")) == 1


def test_pip_that_installs_for_the_user_is_told_not_to(machine):
    assert machine.course("test", PIP_USER="1").returncode == 0


def test_a_cdpath_does_not_lead_elsewhere(machine):
    shutil.copytree(machine.root, machine.folder / "elsewhere" / machine.root.name)
    command = [machine.shell, f"{machine.root.name}/course", "test"]
    done = machine.start(command, {"CDPATH": str(machine.folder / "elsewhere")})
    assert (done.stdout, machine.is_set_up) == (f"{machine.folder}\n", True)


def test_no_network_or_a_full_disk_is_said_and_the_next_run_starts_afresh(machine):
    machine.faults = ["install"]
    done = machine.course("test")
    assert done.returncode == 1
    assert "network and 2.5 GB of disk" in done.stderr
    assert machine.asked("-m helpers.cli test") == []
    machine.faults = []
    assert machine.course("test").returncode == 0
    assert len(machine.asked("-m venv")) == len(machine.asked("-m uv pip install")) == 1


@pytest.mark.parametrize("moment", ["install --quiet uv", "-m uv pip install"])
def test_a_set_up_that_is_killed_is_done_again(machine, moment):
    assert machine.course("test", STUB_KILLS_AT=moment).returncode == -9
    assert not machine.is_set_up
    assert (machine.root / ".venv/course-busy").exists()  # of a process that is no more
    assert machine.course("test").returncode == 0
    assert len(machine.asked("-m venv")) == len(machine.asked("-m uv pip install")) == 1
    assert machine.is_set_up


def test_a_new_lock_that_is_killed_while_installed_is_done_again(ready):
    with (ready.root / "requirements.txt").open("a") as lock:
        lock.write("new==1\n")
    assert ready.course("test", STUB_KILLS_AT="-m uv pip install").returncode == -9
    assert ready.course("test").returncode == 0
    assert len(ready.asked("-m venv")) == 1


def test_a_new_lock_is_installed_into_what_is_there(ready):
    with (ready.root / "requirements.txt").open("a") as lock:
        lock.write("new==1\n")
    ready.course("test")
    assert len(ready.asked("-m uv pip install")) == 1
    assert ready.asked("-m venv") == []


def test_a_checkout_that_has_moved_is_set_up_afresh(ready):
    # the scripts in .venv/bin name the old place in their first line
    ready.root = ready.root.rename(ready.folder / "moved")
    (ready.root / ".venv/bin/jupyter").touch()
    assert ready.course("test").returncode == 0
    assert len(ready.asked("-m venv")) == 1
    assert not (ready.root / ".venv/bin/jupyter").exists()


def test_a_checkout_reached_through_a_link_has_not_moved(ready):
    link = ready.folder / "link"
    link.symlink_to(ready.root)
    ready.root = link
    assert ready.course("test").returncode == 0
    assert ready.asked("install") == []


def test_a_venv_whose_python_is_gone_is_made_anew(ready):
    (ready.root / ".venv/bin/python").unlink()
    assert ready.course("test").returncode == 0
    assert len(ready.asked("-m venv")) == 1


def test_two_set_ups_do_not_meet(ready):
    (ready.root / ".venv/course-stamp").unlink()
    (ready.root / ".venv/course-busy").write_text(f"{os.getpid()}\n")
    done = ready.course("test")
    assert done.returncode == 1
    assert f"process {os.getpid()} is setting up" in done.stderr
    assert (ready.root / ".venv/bin/python").exists()


def test_gpu_is_another_environment_and_stays_until_cpu_is_asked_for(ready):
    ready.course("lab", "--gpu")
    assert len(ready.asked("-m venv")) == len(ready.asked("requirements-gpu.txt")) == 1
    ready.course("run", "sh", "-c", "true", "--cpu")
    assert ready.asked("install") == []
    ready.course("lab", "--cpu")
    assert len(ready.asked("-m venv")) == len(ready.asked("requirements.txt")) == 1


def test_set_up_makes_the_environment_that_is_asked_for_and_opens_nothing(machine):
    assert machine.course("setup", "--gpu").returncode == 0
    assert len(machine.asked("requirements-gpu.txt")) == 1
    assert machine.asked("helpers.cli")[-1] == "-P -m helpers.cli setup --gpu"
    assert machine.course("cluster", "submit").stderr == "", "a GPU environment stays one"
    machine.course("setup", "--cpu")
    assert len(machine.asked("requirements.txt")) == 1


# ---- for students, teachers, tests ----


@pytest.fixture
def whole_course(machine):
    """Give a machine with a clone; the others of this file have what the student edition has."""
    (machine.root / "helpers/grading").mkdir(parents=True)
    (machine.root / "helpers/grading/student_edition.py").touch()
    return machine


def extras(machine) -> list[str]:
    """Return what was installed in the last run."""
    return [line.rpartition("-e ")[2] for line in machine.asked("--constraint")]


def test_every_verb_gets_the_environment_that_the_table_says(whole_course):
    functions = (whole_course.root / "course").read_text()
    needed = functions[functions.index("needed() {") : functions.index("choose() {")]
    names = list(every_verb())
    script = "\n".join([f"root='{whole_course.root}'", needed, *(f"needed {name} words" for name in names)])
    done = subprocess.run([whole_course.shell, "-euc", script], text=True, capture_output=True, check=True)
    assert dict(zip(names, done.stdout.split(), strict=True)) == {n: v.environment for n, v in every_verb().items()}


def test_what_a_verb_needs_is_added_when_it_is_first_used_and_stays(whole_course):
    whole_course.course("lab")
    assert extras(whole_course) == [".[cpu]"]
    done = whole_course.course("homework", "check", "hw1_dense")
    assert (done.stderr, whole_course.asked("install")) == ("", [])
    done = whole_course.course("homework", "grade", "hw1_dense")
    assert (extras(whole_course), whole_course.asked("-m venv")) == ([".[cpu,teacher]"], [])
    assert done.stderr == "course: adding to .venv what is for teachers; once, some seconds.\n"
    whole_course.course("test")
    assert (extras(whole_course), whole_course.asked("-m venv")) == ([".[cpu,teacher,dev]"], [])
    for words in (["lab"], ["homework", "grade", "hw1_dense"], ["test"], ["run", "sh", "-c", ":"]):
        done = whole_course.course(*words)
        assert (done.stderr, whole_course.asked("install")) == ("", [])


def test_set_up_is_told_for_whom(whole_course):
    whole_course.course("setup", "--dev")
    assert extras(whole_course) == [".[cpu,teacher,dev]"]
    assert whole_course.course("test").stderr == whole_course.course("setup", "--teacher").stderr == ""


def test_ci_has_what_tests_need_from_the_start(whole_course):
    whole_course.course("run", "sh", "-c", ":", CI="true")
    assert extras(whole_course) == [".[cpu,teacher,dev]"]
    assert whole_course.course("test", CI="true").stderr == ""


def test_another_flavour_or_lock_is_for_the_same_people(whole_course):
    whole_course.course("setup", "--teacher")
    whole_course.course("lab", "--gpu")
    assert extras(whole_course) == [".[gpu,teacher]"]
    with (whole_course.root / "requirements-gpu.txt").open("a") as lock:
        lock.write("new==1\n")
    whole_course.course("lab")
    assert extras(whole_course) == [".[gpu,teacher]"]


def test_an_environment_of_earlier_code_had_everything_and_keeps_it(whole_course):
    whole_course.course("lab")
    stamp = whole_course.root / ".venv/course-stamp"
    stamp.write_text(f"cpu {whole_course.root} 1234567 890\n")
    whole_course.course("lab")
    assert (extras(whole_course), whole_course.asked("-m venv")) == ([".[cpu,teacher,dev]"], [])


def test_what_is_added_and_killed_is_made_anew(whole_course):
    whole_course.course("lab")
    assert whole_course.course("test", STUB_KILLS_AT="-m uv pip install").returncode == -9
    assert whole_course.course("lab").returncode == 0
    assert (extras(whole_course), len(whole_course.asked("-m venv"))) == ([".[cpu]"], 1)


def test_where_nothing_can_be_added_what_is_there_works_on(whole_course):
    whole_course.course("lab")
    whole_course.faults = ["install"]
    done = whole_course.course("test")
    assert done.returncode == 1 and "could not install" in done.stderr
    assert whole_course.course("lab").stderr == ""


def test_the_tests_of_the_student_edition_need_no_more_than_its_lectures(ready):
    assert ready.course("lab").stderr == ready.course("test").stderr == ""


def test_a_mac_has_no_gpu_wheels(ready):
    ready.give("uname", "#!/bin/sh\necho Darwin\n")
    done = ready.course("lab", "--gpu")
    assert "CUDA wheels for Linux only" in done.stderr
    assert ready.asked("install") == []


def test_an_intel_mac_is_told_that_there_is_no_wheel(machine):
    machine.give("uname", "#!/bin/sh\ncase $1 in -m) echo x86_64 ;; *) echo Darwin ;; esac\n")
    done = machine.course("test")
    assert done.returncode == 1
    assert "no wheel for Intel Macs" in done.stderr
