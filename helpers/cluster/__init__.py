"""The course on a cluster: the same training as on a laptop, started by Slurm. Lecture 13 and homework 7.

Modules: `sites` (what a cluster wants in each script), `jobs` (the scripts), `slurm` (submit, look, cancel), `practice`
(a Slurm on this machine).
"""
