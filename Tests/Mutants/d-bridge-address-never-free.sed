# VSI types: an address is held after its VSI has ended.
# file: Sources/EVBBridge/VSITypes/TypedAdmission.swift
# swift: TypedAdmissionTests
/^    (package )?func forget\(/,/^    \}/s/registry\.release\(grant\.addresses\)/_ = grant.addresses/
