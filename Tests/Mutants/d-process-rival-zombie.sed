# The start: a process that has ended, and waits for its parent, is a rival.
# file: Sources/EVBDaemon/Process/RivalDaemon.swift
# swift: ownerOfPIDFile
s/hasEnded = state == "Z" \|\| state == "X"/hasEnded = state == "X"/
