// What the kernel says of a VXLAN device beside what it says of any link.

internal import CNetlink
internal import Glibc

/// The settings of a VXLAN device, as far as they decide which virtual networks it carries, and to where.
///
/// A class: most links are none, and a table of links has ten thousand.
public final class VXLANDevice: Sendable, Equatable {
    /// The one VNI of the device; nil where it takes the VNI from the bridge (`external`).
    public let vni: UInt32?
    /// Whether it takes those VNIs alone that were added to it (`vnifilter`).
    public let filtersVNIs: Bool
    /// The link that was named as its way out (`dev`); nil leaves the way to the routing table.
    public let lowerIndex: Int32?
    /// The address that it sends from: 4 or 16 octets; empty where none is set.
    public let localAddress: [UInt8]
    /// Whether it says that an address has no entry (`l2miss`), or an IP address none (`l3miss`).
    public let tellsMisses: Bool

    /// Settings, as a test or the kernel has them.
    public init(
        vni: UInt32?, filtersVNIs: Bool = false, lowerIndex: Int32? = nil, localAddress: [UInt8] = [],
        tellsMisses: Bool = false
    ) {
        self.vni = vni
        self.filtersVNIs = filtersVNIs
        self.lowerIndex = lowerIndex
        self.localAddress = localAddress
        self.tellsMisses = tellsMisses
    }

    public static func == (left: VXLANDevice, right: VXLANDevice) -> Bool {
        left.vni == right.vni && left.filtersVNIs == right.filtersVNIs && left.lowerIndex == right.lowerIndex
            && left.localAddress == right.localAddress && left.tellsMisses == right.tellsMisses
    }

    /// IFLA_VXLAN_*; headers older than the kernel do not know them all.
    private enum Detail {
        static let identifier = 1
        static let link = 3
        static let local = 4
        static let l2miss = 13
        static let l3miss = 14
        static let local6 = 17
        static let collectMetadata = 25
        static let vniFilter = 30
    }

    /// Reads IFLA_INFO_DATA of a link of the kind vxlan.
    convenience init(_ details: Attributes) {
        var (vni, isExternal, filters, misses) = (UInt32?.none, false, false, false)
        var (lower, local) = (Int32?.none, [UInt8]())
        details.forEach { detail in
            switch detail.type {
            case Detail.identifier: vni = detail.uint32
            case Detail.link: lower = detail.uint32.map { Int32(bitPattern: $0) }
            case Detail.local where detail.octets.count == 4, Detail.local6 where detail.octets.count == 16:
                // 0.0.0.0 is no address.
                if detail.octets.contains(where: { $0 != 0 }) { local = Array(detail.octets) }
            case Detail.l2miss, Detail.l3miss: misses = misses || detail.uint8.map { $0 != 0 } ?? false
            case Detail.collectMetadata: isExternal = detail.uint8.map { $0 != 0 } ?? false
            case Detail.vniFilter: filters = detail.uint8.map { $0 != 0 } ?? false
            default: break
            }
        }
        self.init(
            vni: isExternal ? nil : vni, filtersVNIs: filters, lowerIndex: lower == 0 ? nil : lower,
            localAddress: local, tellsMisses: misses)
    }
}
