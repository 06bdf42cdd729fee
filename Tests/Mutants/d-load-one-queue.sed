# Link programmer: one queue for all ports.
# file: Sources/EVBDaemon/Links/LinkProgrammer.swift
# swift: QueueTests
s/to: lane\)/to: "")/
