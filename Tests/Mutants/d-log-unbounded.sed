# The log: what waits for the reader has no bound.
# file: Sources/EVBDaemon/Logging/LogOutput.swift
# swift: LogOutputTests
s/waitingOctets \+ rest\.count <= Self\.queuedOctetsMax/waitingOctets >= 0/
