package import LinuxSystem
internal import PacketSocket

/// The interfaces that this evbd has for itself; another evbd in the same network namespace cannot have them.
package final class InterfaceClaims {
    package init() {}

    private var claims: [Int32: (claim: InterfaceClaim, users: Int)] = [:]

    /// Takes an interface, or one more time what is taken already.
    ///
    /// - Returns: false if another process has it.
    /// - Throws: `SystemError`: EPERM without CAP_NET_RAW.
    package func take(_ interfaceIndex: Int32) throws(SystemError) -> Bool {
        if let held = claims[interfaceIndex] {
            claims[interfaceIndex] = (held.claim, held.users + 1)
            return true
        }
        guard let claim = try InterfaceClaim(interfaceIndex: interfaceIndex) else { return false }
        claims[interfaceIndex] = (claim, 1)
        return true
    }

    /// Gives an interface back that was taken.
    package func giveBack(_ interfaceIndex: Int32) {
        guard let held = claims[interfaceIndex] else { return }
        claims[interfaceIndex] = held.users > 1 ? (held.claim, held.users - 1) : nil
    }
}
