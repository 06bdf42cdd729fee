# Work queue: all is done in one turn of the loop.
# file: Sources/EventLoop/WorkQueue.swift
# swift: QueueTests
s/if let end, loop\.now\(\) >= end \{ return \}//
