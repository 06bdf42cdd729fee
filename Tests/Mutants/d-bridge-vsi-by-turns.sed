# Bridge: a port that has lost a VSI gets it back by its next keep-alive.
# file: Sources/EVBDaemon/Bridge/VSIPlaces.swift
# swift: VSIPlacesTests
s/return \.moved\(to: place\.port, isNews: isNews\)/return .free/
