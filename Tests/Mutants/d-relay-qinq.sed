# Links: a VSI's VLAN lands on an 802.1ad device of the same number.
# file: Sources/Netlink/VLANDevices.swift
# swift: VLANDeviceTests
/&& link\.vlanProtocol \?\? VLANTagType\.customer\.rawValue == tagType\.rawValue/d
