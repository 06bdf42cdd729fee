# VSI types: an address is held after its VSI has ended.
# file: Sources/EVBDaemon/VSITypes/TypedAdmission.swift
# swift: TypedAdmissionTests
/^    func forget\(/,/^    \}/s/registry\.release\(grant\.addresses\)/_ = grant.addresses/
