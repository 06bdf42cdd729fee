# Loop: an event has the time of its turn, not that at which it happened.
# file: Sources/EventLoop/WorkQueue.swift
# swift: QueueTests
s/^        addedAtNow = addedAt$/        addedAtNow = loop.now()/
