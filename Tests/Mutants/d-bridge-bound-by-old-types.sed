# Bridge: what was decided by the VSI types before a reload is bound as it was decided.
# file: Sources/EVBBridge/VSITypes/TypedAdmission.swift
# swift: TypedAdmissionTests
s/^        review\(key\)$//
