"""The course on a cluster: run files trained as jobs of Slurm, on many nodes at once. Lecture 13 and homework 7.

`sites` says what a cluster wants to read; `jobs` and `jupyter` write it, of the parts in `scripts`; `client` submits,
looks and cancels; `status` tells how far a run is; `practice` is a Slurm on this machine, `terminal` shows it in a
notebook. What a job does stands in `helpers.experiments`, and needs no cluster.
"""
