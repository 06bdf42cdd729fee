# Port listener: a frame counts as one, whatever is in it.
# file: Sources/EVBPorts/PortListener.swift
# swift: PortListenerTests
s/^        1 \+ UInt64\(max\(0, length - singleLength\) \/ furtherLength\)/        length >= 0 ? 1 : 0/
