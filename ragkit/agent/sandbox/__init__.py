"""Confinement of untrusted Python, with what the Linux kernel offers to any user.

The modules here run in the child process too, before it is confined: they import nothing but the
standard library and each other, by relative imports.
"""
