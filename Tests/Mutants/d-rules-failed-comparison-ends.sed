# VSI types: what could not be put back is not tried again.
# file: Sources/EVBBridge/VSITypes/TypedAdmission+Watch.swift
# swift: BridgeCompareTests
s/^                retry\(repair, of: comparison, port, name\)/                _ = name/
