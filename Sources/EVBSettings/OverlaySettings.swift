// The VXLAN network that bridge ports with VSI types put VSIs into.

package import EVBWire

/// What is set of the VXLAN network behind a port's bridge.
package struct OverlaySettings: Sendable, Hashable {
    /// The greatest VNI.
    package static let vniMax: UInt32 = 0xFF_FFFF

    /// The VXLAN device, a port of the port's bridge; nil is the one there that carries, or can carry, the VNI.
    package var device: String?
    /// Boxes to which frames go that nothing else is known of, broadcasts among them: IP addresses, 4 or 16 octets.
    package var flood: [[UInt8]] = []
    /// Machines behind other boxes.
    package var remotes: [Remote] = []

    /// Boxes and machines that may be listed: each is an entry in the kernel's tables, for each VNI or for one.
    package static let floodMax = 256
    package static let remotesMax = 4096

    /// A machine behind another box.
    package struct Remote: Sendable, Hashable {
        package var address: MACAddress
        /// Its IP address, by which ARP is answered here; nil leaves ARP to the machine.
        package var ip: [UInt8]?
        /// The IP address of the box (VTEP).
        package var box: [UInt8]
        package var vni: UInt32

        package init(address: MACAddress, ip: [UInt8]? = nil, box: [UInt8], vni: UInt32) {
            self.address = address
            self.ip = ip
            self.box = box
            self.vni = vni
        }
    }

    package init(device: String? = nil) { self.device = device }
}
