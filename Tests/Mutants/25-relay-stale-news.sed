# Edge relay: what is heard while an operation is under way is forgotten.
# file: Sources/EdgeRelayMachine/RelayMachine+News.swift
# runs: 40
# options: --dataplane
s/change\(vsiID\) \{ \$0\.running\?\.hasStaleNews = true \}/()/
