# Bridge: nothing is told of two stations that keep one VSI alive.
# file: Sources/EVBDaemon/Bridge/VSIPlaces.swift
# swift: VSIPlacesTests
s/let isNews = isContested \&\& !former\.isReported/let isNews = isContested \&\& former.isReported/
