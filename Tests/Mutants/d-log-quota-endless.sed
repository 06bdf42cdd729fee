# The log's quota: the reserve never ends.
# file: Sources/EVBPorts/LogQuota.swift
# swift: LogQuotaTests
s/            reserve\.take\(\)/            _ = reserve/
