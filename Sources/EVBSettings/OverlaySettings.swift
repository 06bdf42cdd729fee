// The VXLAN network that bridge ports with VSI types put VSIs into.

/// What is set of the VXLAN network behind a port's bridge.
package struct OverlaySettings: Sendable, Hashable {
    /// The greatest VNI.
    package static let vniMax: UInt32 = 0xFF_FFFF

    /// The VXLAN device, a port of the port's bridge; nil is the one there that carries, or can carry, the VNI.
    package var device: String?

    package init(device: String? = nil) { self.device = device }
}
