# Bridge: nothing is told of two stations that keep one VSI alive.
# file: Sources/EVBBridge/Admission/VSIPlaces.swift
# swift: VSIPlacesTests
s/let isNews = isContested \&\& !former\.isReported/let isNews = isContested \&\& former.isReported/
