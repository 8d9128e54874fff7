"""Loops over pixels, compiled by numba when they are first needed."""
