# VSI types: all that waits for the kernel is changed at once.
# file: Sources/EVBBridge/VSITypes/TypedAdmission.swift
# swift: LoadOfTypesTests
s/batch\.isEmpty \|\| entries \+ next\.entries <= most/true || batch.isEmpty/
