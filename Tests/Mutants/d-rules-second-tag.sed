# VSI types: a tag behind the tag passes.
# file: Sources/BridgeDataplane/PortFilter/PortRules.swift
# pytest: Tests/Interop/test_bridge_addresses.py::test_SEC_31_no_second_tag_passes
/"(ether type 8021q vlan type|meta protocol) \{ /d
