# VSI types: rules that could not be set up again are not tried again.
# file: Sources/EVBBridge/VSITypes/TypedAdmission+Watch.swift
# swift: BridgeCompareTests
s/^                restoreTimer\?\.set\(.*/                _ = restoreTimer/
