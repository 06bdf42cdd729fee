# Bridge: a port that has lost a VSI gets it back by its next keep-alive.
# file: Sources/EVBBridge/Admission/VSIPlaces.swift
# swift: VSIPlacesTests
s/return \.moved\(to: place\.port, isNews: isNews\)/return .free/
