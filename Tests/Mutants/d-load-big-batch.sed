# VSI types: all that waits for the kernel is changed at once.
# file: Sources/EVBDaemon/VSITypes/TypedAdmission.swift
# swift: LoadOfTypesTests
s/batch\.isEmpty \|\| entries \+ next\.entries <= batchEntriesMax/true || batch.isEmpty/
