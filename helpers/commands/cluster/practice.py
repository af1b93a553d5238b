"""`./course cluster practice`: a Slurm on this machine, as long as a shell is open."""

import argparse
import os
import subprocess

from helpers.slurm.practice import practice_cluster

WELCOME = "A Slurm of {nodes} pretend nodes is up: try sinfo, squeue, sbatch, ./course cluster. `exit` ends it."


def run(options: argparse.Namespace) -> int:
    """Run a command, or a shell, beside a Slurm; return its exit status."""
    shell = os.environ.get("SHELL", "/bin/sh")
    command = [shell, "-c", options.command] if options.command else [shell]
    with practice_cluster(nodes=options.nodes, cores=options.cores, gpus=options.gpus) as environment:
        if not options.command:
            print(WELCOME.format(nodes=options.nodes))
        return subprocess.run(command, env=environment).returncode
