"""Operations compiled for this machine's CPU that go to memory less often than torch's.

Optional and never exported: without numba or GNU OpenMP, torch's own operations are used.
"""
