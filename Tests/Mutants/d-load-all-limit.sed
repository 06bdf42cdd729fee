# Limits: what other ports take is not counted.
# file: Sources/EVBPorts/ResourcePool.swift
# swift: ResourcePoolTests
s/total\.vsis - own\.vsis/0/
