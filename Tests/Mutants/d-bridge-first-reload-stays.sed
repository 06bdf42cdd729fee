# Bridge: the first of two reloads wins.
# file: Sources/EVBBridge/VSITypes/TypedAdmission+Ports.swift
# swift: TypedAdmissionTests
/replace\(key, current, renewed\)/,/\}/s/^        review\(key\)$//
