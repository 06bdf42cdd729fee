internal import EVBPorts
internal import EVBProtocol
internal import EVBSettings
package import EVBWire

/// As what a tap is to be associated, and where.
struct TapWish: Equatable {
    /// The station's port beside the tap.
    var port: String
    /// The tap.
    var link: String
    var vsiID: VSIID
    var type: TapType
    /// The machine's address; nil where it cannot be known.
    var address: MACAddress?
    /// The VLAN of the machine's frames; nil leaves it to the bridge.
    var vlan: UInt16?
    var source: TapSource

    /// What the bridge is asked for; nil where the type's manager is none at that port.
    func request(_ placement: VSIManagerID.Placement) -> EVBProtocol.VSIRequest? {
        let manager = type.manager.map { VSIManagerID($0, placement: placement) } ?? .unspecified
        guard let manager,
            let filter = try? FilterInfo(checking: [FilterEntry(vid: vlan ?? 0, macAddress: address)])
        else { return nil }
        return EVBProtocol.VSIRequest(
            vsiID: vsiID, target: .associated, managerID: manager, typeID: type.typeID, typeVersion: type.version,
            filter: filter)
    }
}

/// The machine behind a tap of a Linux bridge.
///
/// libvirt and QEMU give the kernel's end of a tap the machine's address with FE in the first octet; Xen and Proxmox give it one that
/// says nothing of the machine.
enum TapAddress {
    private static let body: UInt64 = 0x00FF_FFFF_FFFF
    private static let (kernelsFirst, kvmsFirst): (UInt64, UInt64) = (0xFE, 0x52)
    /// The rest of a KVM machine's vendor part, as it stands behind the first octet.
    private static let kvmsRest: UInt64 = 0x5400
    /// What Xen gives to all of its.
    private static let xens: UInt64 = 0xFEFF_FFFF_FFFF

    /// The address of the machine behind a tap.
    ///
    /// - Parameters:
    ///   - link: The address of the tap.
    ///   - pattern: What a rule says of addresses of machines.
    /// - Returns: The address, nil where it is not known; or no match.
    static func machine(_ link: MACAddress?, _ pattern: MACPattern?) -> (matches: Bool, address: MACAddress?) {
        guard let link, link.rawValue != xens, !link.isGroup else { return (pattern == nil, nil) }
        let isKernels = link.rawValue >> 40 == kernelsFirst
        guard let pattern else {
            guard isKernels, link.rawValue >> 24 & 0xFFFF == kvmsRest else { return (true, nil) }
            return (true, MACAddress(truncating: kvmsFirst << 40 | link.rawValue & body))
        }
        // A beginning of a whole octet says what the first octet of the machine is.
        if isKernels, pattern.prefixLength >= 8 {
            let restored = MACAddress(truncating: pattern.address.rawValue & ~body | link.rawValue & body)
            if pattern.matches(restored) { return (true, restored) }
        }
        return pattern.matches(link) ? (true, link) : (false, nil)
    }
}

extension VSIID {
    /// An identifier that is always the same for the same texts: a UUID of version 8.
    ///
    /// It is FNV-1a of the texts, by two bases. It tells apart what one network has of hosts and taps, and is no protection.
    package init(derivedFrom texts: [String]) {
        func hash(_ basis: UInt64) -> UInt64 {
            var hash = basis
            for text in texts {
                for octet in text.utf8 + [0] { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
            }
            // The last octets of a text reach the high bits of the product least.
            hash ^= hash >> 32
            return hash &* 0xD6E8_FEB8_6659_FD93
        }
        let high = hash(0xCBF2_9CE4_8422_2325) & ~0xF000 | 0x8000
        let low = hash(0x6C62_272E_07BB_0142) & ~(0xC0 << 56) | 0x80 << 56
        self.init(format: .uuid, high: high, low: low)
    }
}
