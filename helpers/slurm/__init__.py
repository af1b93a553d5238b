"""The course on a cluster: run files trained as jobs of Slurm, on many nodes at once. Lecture 13 and homework 7.

`sites` says what a cluster wants to read in a script; `jobs` and `jupyter` write theirs of it; `client` submits, looks
and cancels; `submissions` keeps what was submitted; `status` tells how far a run is, and what it used; `doctor` looks
at a cluster before the first job; `practice` is a Slurm on this machine. What a job does stands in
`helpers.experiments`, and needs no cluster.
"""
