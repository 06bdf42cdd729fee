# Names of interfaces: a pattern of the kernel's passes.
# file: Sources/EVBControl/InterfaceName.swift
# swift: SEC-10[34]
s/if name\.utf8\.contains\(UInt8\(ascii: "%"\)\)/if name == "%"/
