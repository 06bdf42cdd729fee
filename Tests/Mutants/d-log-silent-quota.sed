# The log's quota: what is left out is not told without a further line.
# file: Sources/EVBPorts/LogQuota.swift
# swift: LogQuotaTests
s/if share\.due == nil \{ share\.due = now \+ share\.wait \}//
