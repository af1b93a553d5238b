"""The course on a cluster: the same training as on a laptop, started by Slurm. Lecture 13 and homework 7.

Training: `runs` (run files), `train` with its `tasks`, `claims`, `leaving` and `team`; `results`, `drawing`. Slurm:
`sites` (what a cluster wants to read), `jobs` and `jupyter` (what is written for it, of the parts in `scripts`),
`slurm` (submit, look, cancel), `progress` (how far a run is), `practice` (a Slurm on this machine).
"""
