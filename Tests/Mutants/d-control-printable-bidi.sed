# What is printed: bidirectional controls pass.
# file: Sources/TerminalText/Printable.swift
# swift: TerminalSafetyTests
s/case \.control, \.format, \.lineSeparator/case .control, .lineSeparator/
s/default: return !properties\.isDefaultIgnorableCodePoint/default: return true/
