"""The group `./course cluster`: its verbs and their arguments; and those of `train` and `results`."""

from dataclasses import fields
from pathlib import Path

from helpers.cli.verbs import Group, Parser, Verb, at_least, existing

ASKED = {
    "time": "at most so long: hours:minutes:seconds",
    "memory": "of each node, such as 16G",
    "cores": "of each node",
    "gpus": "of each node; they take the environment that ./course setup --gpu makes",
    "nodes": "that train one experiment together",
    "at_once": "how many jobs may run at the same time",
    "partition": "queue",
    "mail": "address to which Slurm writes when a job has ended or failed",
    "stage": "folder of patches to copy to the disk of the node first",
}
_RUN_FILE = existing("run file", "lectures/runs/ has those of the lectures.")
_LAND_COVER = "lectures/runs/land_cover.toml"


def _run(parser: Parser, told: str = "another value than the file's: epochs=2 'sweep.fold=[0, 1]'") -> None:
    parser.add_argument("file", type=_RUN_FILE, metavar="RUN.toml", help="the run file; see lectures/runs/")
    parser.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help=told)


def _run_and_indices(parser: Parser) -> None:
    parser.add_argument("file", type=_RUN_FILE, metavar="RUN.toml", help="run file that was submitted")
    told = "only these experiments; and the overrides with which the run was submitted"
    parser.add_argument("words", nargs="*", metavar="INDEX|NAME=VALUE", help=told)


def _request(parser: Parser) -> None:
    """Add the site and what can be asked for; what is not said stands in [cluster] or in the site file."""
    from helpers.slurm.sites import Request

    parser.add_argument("--site", help="plain, oscer or a file; default: ~/.config/course/site.toml, if it is there")
    for each in fields(Request):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=each.type, help=ASKED[each.name])


def _dry_run(parser: Parser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the script and submit nothing")


def _train(parser: Parser) -> None:
    _run(parser)
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--index", type=at_least(0), metavar="N", help="train one element of the sweep: $SLURM_ARRAY_TASK_ID"
    )
    one.add_argument("--list", action="store_true", help="show the elements of the sweep, and which are finished")
    one.add_argument("--missing", action="store_true", help="print those not finished, for sbatch --array")
    parser.add_argument(
        "--data", type=existing("folder"), metavar="DIR", help="folder of the data; default: where they are found"
    )


def _results(parser: Parser) -> None:
    _run(parser, "as for ./course train")
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder for the files; default: the run's own")
    parser.add_argument("--no-figures", dest="figures", action="store_false", help="only the table and the CSV file")


def _submit(parser: Parser) -> None:
    _run(parser, "parameters in place of those of the file")
    _request(parser)
    parser.add_argument("--missing", action="store_true", help="only experiments that have not finished")
    _dry_run(parser)


def _status(parser: Parser) -> None:
    parser.add_argument("file", type=_RUN_FILE, metavar="RUN.toml", nargs="?", help="default: everything in the queue")
    parser.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help="as they were submitted")


def _logs(parser: Parser) -> None:
    _run_and_indices(parser)
    parser.add_argument(
        "--lines",
        type=at_least(1),
        default=5,
        metavar="N",
        help="show the last N lines of each log (5)",
    )


def _jupyter(parser: Parser) -> None:
    _request(parser)
    _dry_run(parser)


def _practice(parser: Parser) -> None:
    parser.add_argument("--nodes", type=at_least(1), default=2, metavar="N", help="pretend nodes (2)")
    parser.add_argument("--cores", type=at_least(1), default=1, metavar="N", help="of each node (1)")
    parser.add_argument(
        "--gpus", type=at_least(0, most=4), default=1, metavar="N", help="pretend GPUs of each node, at most 4 (1)"
    )
    parser.add_argument("-c", dest="command", metavar="COMMAND", help="run this, and stop; default: open your shell")


TRAIN = Verb(
    "Train what a run file describes, or go on with it.",
    "helpers.commands.train:run",
    (
        (f"./course train {_LAND_COVER} --list", "the experiments, and which are finished"),
        (f"./course train {_LAND_COVER} --index 3 epochs=2", "train one of them, for two epochs"),
    ),
    _train,
    "The exit status is 75 if time ran out: the same command continues after the last complete epoch.",
)
RESULTS = Verb(
    "Merge what a run has brought into a table, a CSV file and figures.",
    "helpers.commands.results:run",
    (
        (f"./course results {_LAND_COVER}", "all experiments that have finished"),
        (f"./course results {_LAND_COVER} --to report --no-figures", "the table alone, in a folder of your own"),
    ),
    _results,
)
CLUSTER = Group(
    "Train on a cluster: the same runs, started by Slurm.",
    {
        "submit": Verb(
            "Write a script that trains RUN.toml as an array of jobs, and hand it to Slurm.",
            "helpers.commands.cluster.submit:run",
            (
                (f"./course cluster submit {_LAND_COVER} --dry-run", "see the script"),
                (f"./course cluster submit {_LAND_COVER} --gpus 1 --missing", "train with GPUs what is missing"),
            ),
            _submit,
        ),
        "status": Verb(
            "List which experiments of a run have finished, are running, are waiting or have stopped.",
            "helpers.commands.cluster.status:run",
            (
                ("./course cluster status", "everything of yours in the queue"),
                (f"./course cluster status {_LAND_COVER}", "each experiment of a run"),
            ),
            _status,
            "The exit status is 1 if experiments have stopped.",
        ),
        "logs": Verb(
            "Show what the experiments of a run have written.",
            "helpers.commands.cluster.logs:run",
            (
                (f"./course cluster logs {_LAND_COVER}", "the last lines of each"),
                (f"./course cluster logs {_LAND_COVER} 3", "all that experiment 3 wrote"),
            ),
            _logs,
        ),
        "cancel": Verb(
            "End jobs of a run; what they have saved stays.",
            "helpers.commands.cluster.cancel:run",
            (
                (f"./course cluster cancel {_LAND_COVER}", "all of them"),
                (f"./course cluster cancel {_LAND_COVER} 3 4", "two experiments"),
            ),
            _run_and_indices,
        ),
        "jupyter": Verb(
            "Start JupyterLab on a compute node, and print how to reach it.",
            "helpers.commands.cluster.jupyter:run",
            (
                ("./course cluster jupyter --gpus 1", "with a GPU"),
                ("./course cluster jupyter --dry-run", "see the script"),
            ),
            _jupyter,
        ),
        "practice": Verb(
            "Start a Slurm on this machine, with a shell to try it in.",
            "helpers.commands.cluster.practice:run",
            (
                ("./course cluster practice", "open a shell beside it; `exit` ends both"),
                ("./course cluster practice --nodes 3 -c sinfo", "run one command"),
            ),
            _practice,
        ),
    },
    (
        (f"./course cluster submit {_LAND_COVER} --dry-run", "see the script that would go to Slurm"),
        (f"./course cluster status {_LAND_COVER}", "how far each experiment is"),
    ),
)
