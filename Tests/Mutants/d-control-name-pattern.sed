# Names of interfaces: a pattern of the kernel's passes.
# file: Sources/EVBModel/InterfaceName.swift
# swift: namesAreCheckedAtTheSocket|TerminalSafetyTests
s/if name\.utf8\.contains\(UInt8\(ascii: "%"\)\)/if name == "%"/
