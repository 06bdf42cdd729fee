# Reconciler: the result of a step that was overtaken counts as the latest one's.
# file: Sources/Dataplane/Reconciler.swift
# swift: ReconcilerTests
s/underWay\(let step, turn, let mustCompare\) = state/underWay(let step, _, let mustCompare) = state/
