# What is printed: bidirectional controls pass.
# file: Sources/EVBControl/Printable.swift
# swift: SEC-10[12]
s/case \.control, \.format, \.lineSeparator/case .control, .lineSeparator/
s/default: return !properties\.isDefaultIgnorableCodePoint/default: return true/
