internal import Netlink

/// The other ways to the network that a port's bridge has: its ports that are neither machines' nor the port itself. Pure.
struct BridgeCards {
    /// Kinds of bridge ports behind which machines are.
    private static let guestKinds: Set<String> = ["tun", "veth"]

    private var bridgeIndex: Int32?
    private var portIndex: Int32 = 0
    private var names: Set<String> = []

    /// Whether there are none.
    var isEmpty: Bool { names.isEmpty }

    /// Says in which bridge the port is; nil is none.
    ///
    /// - Parameters:
    ///   - index: The bridge.
    ///   - port: The port.
    ///   - members: Gives all ports of a bridge. It is asked when the port is in another bridge than before.
    mutating func setBridge(_ index: Int32?, port: Int32, members: (Int32) -> [Link]) {
        guard index != bridgeIndex || port != portIndex else { return }
        (bridgeIndex, portIndex) = (index, port)
        names = Set((index.map(members) ?? []).filter(isCard).map(\.name))
    }

    /// Takes news of a link.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - link: The link of that name now, if there is one.
    /// - Returns: Whether the bridge has its first other way to the network now, or its last no more.
    mutating func linkChanged(_ name: String, _ link: Link?) -> Bool {
        let wasEmpty = names.isEmpty
        if let link, isCard(link) { names.insert(name) } else { names.remove(name) }
        return wasEmpty != names.isEmpty
    }

    private func isCard(_ link: Link) -> Bool {
        guard let bridgeIndex, link.masterIndex == bridgeIndex, link.index != portIndex else { return false }
        return !(link.kind.map(Self.guestKinds.contains) ?? false)
    }
}
