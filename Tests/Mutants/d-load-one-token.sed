# Port listener: a frame counts as one, whatever is in it.
# file: Sources/EVBDaemon/PortListener.swift
# swift: PortListenerTests
s/^        1 \+ UInt64\(max\(0, length - singleLength\) \/ furtherLength\)/        length >= 0 ? 1 : 0/
