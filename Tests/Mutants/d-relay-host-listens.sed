# Links: links of machines are not in the group that the host's IP is kept off.
# file: Sources/Netlink/Links.swift
# pytest: Tests/Interop/test_host_off.py::test_SEC_111_the_host_has_no_ip_on_a_machines_link
/^        message\.put\(IFLA_GROUP, MacvlanSpec\.group\)$/d
