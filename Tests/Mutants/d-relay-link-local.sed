# Links: the host gives itself a link-local address on a machine's link.
# file: Sources/Netlink/Links.swift
# pytest: Tests/Interop/test_host_off.py::test_SEC_111_the_host_has_no_ip_on_a_machines_link
s/static let none: UInt8 = 1/static let none: UInt8 = 0/
