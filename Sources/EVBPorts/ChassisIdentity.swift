package import EVBWire
internal import LinuxSystem

/// The chassis ID of a port: the address that its interface had when evbd first saw it since the host's boot.
///
/// libvirt's passthrough mode and bonding change an interface's address. The neighbour would take a port whose chassis ID changes
/// for another station, and let VSIs of the former one age out.
package final class ChassisIdentity {
    private let path: String
    private var kept: MACAddress?

    /// Reads what an earlier run of evbd has kept.
    ///
    /// - Parameters:
    ///   - directory: the directory for what lives until the next boot.
    ///   - port: the name of the port's interface.
    package init(directory: String, port: String) {
        path = "\(directory)/\(port).chassis"
        kept = (try? Files.read(path, limit: 32)).flatMap { MACAddress(String(decoding: $0, as: UTF8.self)) }
    }

    /// The chassis ID of the port.
    ///
    /// - Parameter address: the address that the interface has now; nil while it has none.
    /// - Returns: the address that it had first; nil where it never had one.
    package func chassis(of address: MACAddress?) -> MACAddress? {
        if let kept { return kept }
        guard let address else { return nil }
        kept = address
        // Without the file the chassis ID still holds for this run.
        try? Files.writeAtomically(path, Array(address.description.utf8), mode: 0o600)
        return address
    }
}
