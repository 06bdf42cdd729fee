/// What tells a network where a machine is: a reverse ARP request, as QEMU sends it after a migration.
///
/// No machine answers it. Each switch that it passes learns behind which port the address is.
public enum Announcement {
    /// The EtherType of RARP.
    public static let etherType: UInt16 = 0x8035
    /// Octets of the frame without a tag.
    public static let length = 60

    /// The frame that announces an address.
    ///
    /// - Parameters:
    ///   - address: The machine's address.
    ///   - vid: The VLAN of the frame's tag; 0 is no tag.
    ///   - pcp: The priority of the tag, 0 to 7.
    /// - Returns: 60 octets, or 64 with a tag.
    public static func octets(of address: MACAddress, vid: UInt16 = 0, pcp: UInt8 = 0) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(length + 4)
        octets += MACAddress(truncating: 0xFFFF_FFFF_FFFF).octets
        octets += address.octets
        if vid != 0 {
            let tag = UInt16(pcp & 7) << 13 | vid & 0x0FFF
            octets += [0x81, 0x00, UInt8(tag >> 8), UInt8(tag & 0xFF)]
        }
        octets += [UInt8(etherType >> 8), UInt8(etherType & 0xFF)]
        // Ethernet, IPv4, their lengths, and "request reverse": which IP address has this hardware address?
        octets += [0, 1, 8, 0, 6, 4, 0, 3]
        octets += address.octets + [0, 0, 0, 0]
        octets += address.octets + [0, 0, 0, 0]
        octets += [UInt8](repeating: 0, count: length + (vid == 0 ? 0 : 4) - octets.count)
        return octets
    }
}
