# Kernel queue: one queue for all ports.
# file: Sources/EVBDaemon/Links/KernelQueue.swift
# swift: QueueTests
s/to: lane\)/to: "")/
