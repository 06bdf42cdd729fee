"""evbd beside Debian's lldpad and beside the least that the machine can do. See Tests/Benchmarks/run."""
