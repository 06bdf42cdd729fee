package import Netlink

/// Notices that frames of a bond or team take another way: another member is active, or members have gained or lost their carrier.
///
/// The interface itself stays up meanwhile, and another switch may be at its other end.
package struct MemberWatch {
    private struct Way: Equatable {
        let bond: Int32
        let active: Int32?
        let carriers: [Int32]
    }

    private var last: Way?

    package init() {}

    /// Looks at an interface that is new here.
    package mutating func begin(at link: Link, members: (Int32) -> [Link]) {
        guard last?.bond != link.index else { return }
        last = Self.way(of: link, members)
    }

    private static func way(of link: Link, _ members: (Int32) -> [Link]) -> Way? {
        guard link.kind == "bond" || link.kind == "team" else { return nil }
        let carriers = members(link.index).filter(\.hasCarrier).map(\.index)
        return Way(bond: link.index, active: link.activeMember, carriers: carriers)
    }

    /// Compares the way with the one that was last seen.
    ///
    /// - Parameters:
    ///   - changed: the name of a link that has changed.
    ///   - link: the port's interface.
    ///   - members: gives the links in a bond.
    /// - Returns: whether frames take another way now than before.
    package mutating func isOther(_ changed: Link?, at link: Link, members: (Int32) -> [Link]) -> Bool {
        guard let changed, changed.index == link.index || changed.masterIndex == link.index else { return false }
        let way = Self.way(of: link, members)
        defer { last = way }
        guard let way, let last, last.bond == way.bond else { return false }
        return last != way && !way.carriers.isEmpty
    }
}
