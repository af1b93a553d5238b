"""Submissions: what was handed to Slurm is kept as it was, and is found again by it. Used by `./course cluster`.

    jobs/LABEL/N/    RUN.toml  submission.json  train.sbatch  results.sbatch  JOB_INDEX.log

beside the run file; N counts the submissions of a run. Experiments that are more than an array of the cluster holds, or
ask for something else, are arrays of their own: `train+1000.sbatch` has those from 1000 on, `train-1.sbatch` others.
Jobs train from RUN.toml there, a copy of the run file: the one beside which `jobs` lies may be edited, renamed or
removed while they wait. What it said, written out, which code there was and which numbers Slurm gave stands in
submission.json.
"""

import glob
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from helpers.experiments import Experiment, code_state, differing, experiments_folder, write_files, write_json
from helpers.experiments.own_code import sources_of
from helpers.experiments.own_script import code_key, code_of
from helpers.experiments.run_file import SUBMISSION, Run, home_of, is_frozen
from helpers.files import LockedError, atomic_write, locked, names_in
from helpers.slurm.client import Queued
from helpers.slurm.sites import ClusterError
from helpers.slurm.status import latest_logs

TRAINING, RESULTS = "train", "results.sbatch"  # how the names of the scripts of arrays begin; the other script
PACKAGES = ("numpy", "keras", "tensorflow", "tensorflow-cpu", "jax")
_SCRIPT = re.compile(r"results\.sbatch|train(ing)?(-\d+)?(?:\+(?P<offset>\d+))?(\.sbatch)?")
_LOCK, _UNFINISHED = "lock", ".unfinished"
_MOST = 60  # letters of a value that is told


@dataclass(frozen=True)
class Submission:
    """What was submitted of a run, once.

    Attributes:
        folder: `jobs/LABEL/N`. What the course's versions before this one submitted lies in `jobs/LABEL`, without a
            record of its own.
        file: the run file that was submitted.
        label: what its jobs are called.
        overrides: of parameters.
        run: what the file and the overrides said: every experiment under its index.
        indices: of the experiments that were to be submitted; once Slurm has given numbers, of those that it took.
        asked: what each job asks for, by the fields of `Request`.
        special: the same for experiments that ask for something else, by their index.
        code: which there was, of `code_now`.
        time: when, in ISO 8601.
        experiments_folder: where the jobs keep the experiments.
        jobs: numbers that Slurm gave to the arrays, "training", "training+1000" and so on, and to what follows them,
            "results"; empty before it did.
    """

    folder: Path
    file: Path
    label: str
    overrides: Sequence[str]
    run: Run
    indices: Sequence[int]
    asked: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    time: str = ""
    experiments_folder: str = ""
    jobs: Mapping[str, int] = field(default_factory=dict)
    special: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def frozen(self) -> Path:
        """The run file as it was submitted."""
        return self.folder / self.file.name

    @property
    def number(self) -> int:
        """Which submission of its run it is; 0 for what earlier versions submitted."""
        return int(self.folder.name) if self.is_recorded else 0

    @property
    def is_recorded(self) -> bool:
        """Whether it has a record, as all have that this version of the course has submitted."""
        return (self.folder / SUBMISSION).exists()

    def has(self, job: Queued) -> bool:
        """Return whether a job is of this submission.

        Its script says so, which lies in the folder; the number does where a centre hands Slurm a copy of the script.
        A name does not: two runs in two folders may have one.
        """
        script = Path(job.script)
        if _SCRIPT.fullmatch(script.name):
            here = script.parent == self.folder or script.parent.resolve() == self.folder.resolve()
            return here or self.was_moved(job)
        if self.is_recorded:
            return job.job in self.jobs.values()
        return job.name in (self.label, results_name(self.label))  # all that is known of it

    def index_of(self, job: Queued) -> int:
        """Return the index of the experiment that a job of this submission trains; -1 of one that trains none."""
        names = [Path(job.script).name, *(name for name, number in self.jobs.items() if number == job.job)]
        found = next(filter(None, map(_SCRIPT.fullmatch, names)), None)
        return job.index + int((found and found["offset"]) or 0) if job.index >= 0 else -1

    def was_moved(self, job: Queued) -> bool:
        """Return whether the folder had another path when it submitted a job, which looks for it there, in vain.

        The number alone does not tell: another cluster may have given it too. The script here names the old path.
        """
        script = Path(job.script)
        own = self.folder / script.name
        if job.job not in self.jobs.values() or script.parent.exists() or not own.is_file():
            return False
        return shlex.quote(str(script.parent / self.file.name)) in own.read_text(encoding="utf-8")

    def was_queued(self, queue: Sequence[Queued] = ()) -> bool:
        """Return whether Slurm took it: a process that was killed may have written it and no more."""
        return bool(self.jobs or any(map(self.has, queue)) or next(self.folder.glob("*_*.log"), None))

    def numbered(self, name: str, job: int) -> "Submission":
        """Note the number that Slurm gave, and return the submission with it."""
        found = replace(self, jobs={**self.jobs, name: job})
        with atomic_write(self.folder / SUBMISSION) as unfinished:
            write_json(unfinished, _record(found))
        return found


def results_name(label: str) -> str:
    """Return what the job that gathers the results is called."""
    return f"{label}_results"


def job_folder(path: Path, label: str) -> Path:
    """Return where the submissions of a run are: `jobs/LABEL` beside the run file."""
    return home_of(path) / "jobs" / label


def code_now() -> dict[str, str]:
    """Return which code there is now: that of the course, as `code_state` has it, and the packages that compute."""
    found = code_state()
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@contextmanager
def submitting(folder: Path) -> Iterator[None]:
    """Lock the submissions of a run within the block; what a killed process left unfinished there is removed.

    Args:
        folder: `job_folder`.

    Raises:
        ClusterError: another process submits this run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / _LOCK):
            shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)
            yield
    except LockedError as error:
        raise ClusterError(
            f"{error} submits {folder.name} at this moment, and won. See what it queued: ./course cluster status"
        ) from None


def next_number(folder: Path) -> int:
    """Return the number of the next submission of a run."""
    return max(map(int, filter(str.isdecimal, names_in(folder))), default=0) + 1


def write(submission: Submission, scripts: Mapping[str, str]) -> None:
    """Write a submission's folder, whole or not at all.

    Args:
        submission: whose file is copied, with the files of your own that it names.
        scripts: the texts of the job scripts, by their names.
    """
    unfinished = submission.folder.with_name(_UNFINISHED)
    unfinished.mkdir(parents=True)
    shutil.copyfile(submission.file, unfinished / submission.file.name)
    for each in {code_key(each): each for each in submission.run.experiments}.values():
        write_files(unfinished, sources_of(code_of(each)))
    for name, text in scripts.items():
        (unfinished / name).write_text(text, encoding="utf-8")
    write_json(unfinished / SUBMISSION, _record(submission))
    unfinished.rename(submission.folder)


def load(folder: Path) -> Submission:
    """Load what was submitted.

    Args:
        folder: `jobs/LABEL/N`.

    Raises:
        ClusterError: its record is damaged.
    """
    path = folder / SUBMISSION
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        defaults = record["defaults"]
        experiments = [
            Experiment(record["run"], {**defaults, **each["parameters"]}, defaults, folder)
            for each in record["experiments"]
        ]
        run = Run(record["run"], experiments)
        names = ("label", "overrides", "indices", "asked", "code", "time", "experiments_folder", "jobs")
        rest = {name: record[name] for name in names} | {"special": record.get("special", {})}
        return Submission(folder, home_of(folder / record["file"]) / record["file"], run=run, **rest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterError(f"{path} cannot be read: {error}. If its jobs have ended, remove {folder}.") from error


def submissions_of(path: Path, overrides: Sequence[str]) -> list[Submission]:
    """List what has been submitted of a run file with these overrides, the oldest first.

    Args:
        path: the run file, which need not be there any more; or a frozen one: then this submission alone.
        overrides: in the order in which they were submitted.
    """
    if is_frozen(path):
        return [load(path.absolute().parent)]
    written = ["".join(override.split()) for override in overrides]
    found = _in_order(copy.parent for copy in home_of(path).glob(f"jobs/*/*/{glob.escape(path.name)}"))
    return [each for each in found if ["".join(override.split()) for override in each.overrides] == written]


def submissions_in(path: Path, label: str) -> list[Submission]:
    """List all submissions beside a run file that have this label, the oldest first."""
    return _in_order(job_folder(path, label).iterdir() if job_folder(path, label).is_dir() else [])


def unrecorded(path: Path, label: str, run: Run) -> Submission:
    """Return what versions of the course before this one may have submitted, and kept no record of.

    Args:
        path: the run file.
        label: of the run.
        run: what the file says now.
    """
    return Submission(job_folder(path, label), path.absolute(), label, (), run, ())


def latest(found: Sequence[Submission], queue: Sequence[Queued] = ()) -> Submission:
    """Return the last submission that Slurm took, or the last one where there is none."""
    return ([each for each in found if each.was_queued(queue)] or found)[-1]


def remove_unqueued(found: Sequence[Submission], queue: Sequence[Queued]) -> None:
    """Remove submissions that were written and never queued, because the process was killed."""
    for each in found:
        if each.is_recorded and not each.was_queued(queue):
            shutil.rmtree(each.folder)


def queued_of(run: Run, submissions: Sequence[Submission], queue: Sequence[Queued]) -> dict[int, Queued]:
    """Find the jobs that train experiments of a run.

    Returns:
        By the index of the experiment in this run, which another submission may have under another index.
    """
    places = {(each.run, each.name): index for index, each in enumerate(run.experiments)}
    found = {}
    for submission in submissions:
        experiments = submission.run.experiments
        for job in queue:
            if submission.has(job) and 0 <= (index := submission.index_of(job)) < len(experiments):
                trained = experiments[index]
                found[places.get((trained.run, trained.name), -1)] = job
    found.pop(-1, None)
    return found


def logs_of(run: Run, submissions: Sequence[Submission]) -> dict[int, Path]:
    """Find the latest log of each experiment of a run, by its index in this run.

    Args:
        run: whose experiments are known by their parameters: one of the same name with another default is another.
        submissions: the oldest first.
    """
    places = {_identity(each): index for index, each in enumerate(run.experiments)}
    found = {}
    for submission in submissions:
        experiments = submission.run.experiments
        for index, log in latest_logs(submission.folder).items():
            if index < len(experiments):
                found[places.get(_identity(experiments[index]), -1)] = log
    found.pop(-1, None)
    return dict(sorted(found.items()))


def taken_of(run: Run, submissions: Sequence[Submission]) -> set[int]:
    """Return the indices of the experiments of a run that Slurm has taken, as far as there is a record of it."""
    every = [each.run.experiments[index] for each in submissions if each.jobs for index in each.indices]
    taken = set(map(_identity, every))
    return {index for index, each in enumerate(run.experiments) if _identity(each) in taken}


def changes(submission: Submission, path: Path) -> list[str]:
    """Tell how the run file differs from the one that was submitted, a line for each setting; none where it does not.

    Args:
        submission: whose file it was.
        path: the run file as it is now.
    """
    try:
        now = _settings(path)
    except FileNotFoundError:
        return ["it is not there any more"]
    except (OSError, ValueError) as error:
        return [f"it cannot be read now: {error}"]
    then = _settings(submission.frozen)
    lines = []
    for key in differing(then, now):
        if key not in now:
            lines.append(f"{key} is not set now; submitted: {_short(then[key])}")
        else:
            was = _short(then[key]) if key in then else "not set"
            lines.append(f"{key} = {_short(now[key])} now; submitted: {was}")
    return lines


def code_files_changed(submission: Submission, path: Path) -> list[str]:
    """Tell which files of your own are others than were submitted, a line for each; none where none is.

    Args:
        submission: beside whose run file copies of them lie.
        path: the run file as it is now, beside which they lie.
    """
    lines = []
    folder = submission.folder
    ours = {*folder.glob("*.sbatch"), *folder.glob("*.log"), folder / SUBMISSION, submission.frozen}
    for copy in sorted({path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"} - ours):
        name = copy.relative_to(folder)
        now = path.absolute().parent / name
        if not now.is_file():
            lines.append(f"{name.as_posix()} was submitted, and is not there any more.")
        elif now.read_bytes() != copy.read_bytes():
            lines.append(f"{name.as_posix()} is another file than was submitted.")
    return lines


def remarks(
    path: Path, found: Sequence[Submission], shown: Submission, queue: Sequence[Queued] | None
) -> Iterator[str]:
    """Yield what else one should know of the submissions of a run file, in lines.

    Args:
        path: the run file.
        found: its submissions.
        shown: the one of which each experiment is shown.
        queue: our jobs that wait or run; None if that is not known.
    """
    if shown.is_recorded and not is_frozen(path) and (lines := changes(shown, path)):
        yield f"{path.name} is not what was submitted, from which the jobs train ({shown.frozen}):"
        yield from (f"  {line}" for line in lines)
    if shown.is_recorded and not is_frozen(path):
        yield from code_files_changed(shown, path)
    here = experiments_folder() / shown.run.name
    if shown.is_recorded and Path(shown.experiments_folder).resolve() != here.resolve():
        then = Path(shown.experiments_folder)
        yield f"The jobs keep the experiments in {then}, not in {here}. To see them: COURSE_EXPERIMENTS={then.parent}"
    for folder in sorted({str(Path(job.script).parent) for job in queue or () if shown.was_moved(job)}):
        yield f"The jobs look for {folder}, which has been moved: move it back, or cancel them and submit once more."
    known = {(job.job, job.index) for job in queued_of(shown.run, found, queue or ()).values()}
    for each in found if queue is not None else ():
        if each.is_recorded and not each.was_queued(queue or ()):
            yield f"Submission {each.number} was written, and never queued: the next one takes its place."
        elif others := [
            job for job in queue or () if job.index >= 0 and each.has(job) and (job.job, job.index) not in known
        ]:
            words = shlex.join([str(each.frozen), *each.overrides])
            yield f"Submission {each.number} has {len(others)} more in the queue: ./course cluster status {words}"


def overrides_of(path: Path, overrides: Sequence[str]) -> Sequence[str]:
    """Return the overrides that count: those given, or for a frozen run file without any those it was submitted with.

    Raises:
        ClusterError: the record of the frozen file is damaged.
    """
    return overrides if overrides or not is_frozen(path) else load(path.absolute().parent).overrides


def submitted_code(path: Path) -> Mapping[str, str] | None:
    """Return which code there was when a run file was submitted; None for a file that is no frozen one."""
    return json.loads((path.parent / SUBMISSION).read_text(encoding="utf-8"))["code"] if is_frozen(path) else None


def code_changes(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Tell in one line what of the code is another now; "" if nothing is."""
    told = [
        f"{key} {now.get(key, 'none')[:12]} (submitted: {then.get(key, 'none')[:12]})" for key in differing(then, now)
    ]
    return f"The code has changed since this was submitted: {', '.join(told)}." if told else ""


def now() -> str:
    """Return the time, as submissions have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _in_order(folders: Iterable[Path]) -> list[Submission]:
    found = [load(folder) for folder in folders if folder.name.isdecimal() and (folder / SUBMISSION).exists()]
    return sorted(found, key=lambda each: each.time)


def _record(submission: Submission) -> dict[str, Any]:
    experiments = submission.run.experiments
    defaults = experiments[0].defaults
    told = {(name, json.dumps(value)) for name, value in defaults.items()}  # true is not 1 here, nor is 1.0
    listed = []
    for index, each in enumerate(experiments):
        own = {name: value for name, value in each.parameters.items() if (name, json.dumps(value)) not in told}
        listed.append({"index": index, "name": each.name, "parameters": own})
    return {
        "file": submission.file.name,
        "run": submission.run.name,
        "label": submission.label,
        "overrides": list(submission.overrides),
        "indices": list(submission.indices),
        "asked": dict(submission.asked),
        "code": dict(submission.code),
        "time": submission.time,
        "jobs": dict(submission.jobs),
        **({"special": dict(submission.special)} if submission.special else {}),
        "experiments_folder": submission.experiments_folder,
        "defaults": dict(defaults),
        "experiments": listed,
    }


def _identity(experiment: Experiment) -> tuple[str, str]:
    return experiment.run, json.dumps(experiment.parameters, sort_keys=True)


def _settings(path: Path) -> dict[str, Any]:
    """Read the settings of a run file, such as "sweep.fold"."""
    tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    found: dict[str, Any] = {}
    for name, value in tables.items():
        found |= {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _MOST else f"{text[: _MOST - 2]} …"
