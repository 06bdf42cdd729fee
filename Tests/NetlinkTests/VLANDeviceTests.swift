import Netlink
import Testing

/// Which links are the device of a VLAN.
@Suite struct VLANDeviceTests {
    @Test("SEC-38 a device of 802.1ad is not the VLAN's of 802.1Q, whatever its name and number")
    func tagTypes() {
        let device = VLANDevice(name: "up0.10", parentIndex: 2, vid: 10, alias: "")
        var link = Link(index: 3, name: "up0.10")
        link.kind = "vlan"
        link.parentIndex = 2
        link.vlanID = 10
        for (tagType, isServed) in [(UInt16(0x8100), true), (0x88A8, false), (0x9100, false)] {
            link.vlanProtocol = tagType
            #expect(device.isServed(by: link) == isServed)
        }
        link.vlanProtocol = 0x8100
        for change: (inout Link) -> Void in [{ $0.vlanID = 11 }, { $0.parentIndex = 4 }, { $0.kind = "macvlan" }] {
            var other = link
            change(&other)
            #expect(!device.isServed(by: other))
        }
    }
}
