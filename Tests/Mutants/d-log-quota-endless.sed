# The log's quota: the reserve never ends.
# file: Sources/EVBDaemon/Logging/LogQuota.swift
# swift: LogQuotaTests
s/            reserve\.take\(\)/            _ = reserve/
