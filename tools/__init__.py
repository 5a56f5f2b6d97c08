"""The project's Python: a local AWS, the demo and `make watch` on it, what the tests share, building and publishing.

Run as `python -m tools.…` from the repository root, in an environment that `scripts/setup` makes.
"""
