# Limits: what other ports take is not counted.
# file: Sources/EVBDaemon/ResourcePool.swift
# swift: ResourcePoolTests
s/total\.vsis - own\.vsis/0/
