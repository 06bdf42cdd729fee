# Kernel queue: one queue for all ports.
# file: Sources/Dataplane/KernelQueue.swift
# swift: QueueTests
s/to: lane\)/to: "")/
