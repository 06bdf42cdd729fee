# The log's quota: the reserve never ends.
# file: Sources/EVBDaemon/Logging/LogQuota.swift
# swift: SEC-121
s/            reserve\.take\(\)/            _ = reserve/
