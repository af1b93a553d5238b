"""Proof that the tests of a homework are good: solutions pass, mistakes that students make lose exactly their points.

A mutant is the instructor's solution with one such mistake. `./course homework selftest` runs them all.
"""
