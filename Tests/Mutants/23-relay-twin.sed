# Edge relay: a link that is gone without news is taken for deleted, and not looked for in other namespaces.
# file: Sources/EdgeRelayMachine/RelayMachine+News.swift
# runs: 40
# options: --dataplane
s/^        setActual\(vsiID, \.missing\(name: name, ownership\), &effects\)$/        forget(vsiID, \&effects)/
