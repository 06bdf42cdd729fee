# List of VSIs: each is built, and filtered then.
# file: Sources/ControlServer/VSIListing.swift
# swift: ListingTests
s/guard let port = current, state == nil \|\| port\.vsiState\(vsiID\) == state else/guard let port = current, case let built = port.vsiStatus(vsiID), state == nil || built?.state == state else/
