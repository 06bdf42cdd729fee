# The log: a write waits for the reader.
# file: Sources/EVBDaemon/Logging/LogDescriptor.swift
# swift: LogOutputTests
s/Int32\(MSG_DONTWAIT \| MSG_NOSIGNAL\)/Int32(MSG_NOSIGNAL)/
s/var neverBlocks: Bool \{ kind != \.blocking \}/var neverBlocks: Bool { true }/
