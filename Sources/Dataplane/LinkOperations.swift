internal import LinuxSystem
package import Netlink

extension LinkCommand: KernelOperation {
    /// The socket that links are changed by, opened when the first command needs it.
    package final class Context {
        private var links: Links?

        package func open() throws(NetlinkError) -> Links {
            if let links { return links }
            let links = try Links()
            self.links = links
            return links
        }
    }

    package static func makeContext() -> Context { Context() }

    package var kind: String {
        switch self {
        case .create: "create link"
        case .delete: "delete link"
        case .setMacvlanMode: "set macvlan mode"
        case .setUp(_, let isUp): isUp ? "set link up" : "set link down"
        case .keepHostOff: "set link group"
        case .setMTU: "set link MTU"
        case .ensureVLAN: "create VLAN device"
        case .createVLAN: "create S-VLAN device"
        case .setAlias: "set link alias"
        case .setMaster: "set link master"
        case .setVirtualFunction: "set virtual function"
        case .setCardSwitch: "set card switch"
        case .look: "read link"
        case .setHairpin: "set hairpin"
        }
    }

    package func perform(in context: Context) -> Result<Link?, NetlinkError> {
        do throws(NetlinkError) {
            return perform(with: try context.open())
        } catch {
            return .failure(error)
        }
    }

    package static func problem(in answer: Result<Link?, NetlinkError>) -> String? {
        if case .failure(let error) = answer { "\(error)" } else { nil }
    }
}

/// Reads the table of a link that the kernel sends no news of.
package enum ForwardingRead: KernelOperation, Equatable {
    /// The addresses for which a link itself takes frames, up to so many.
    case ownAddresses(index: Int32, limit: Int)

    /// The socket, opened when the first read needs it.
    package final class Context {
        private var table: ForwardingTable?

        package func open() throws(NetlinkError) -> ForwardingTable {
            if let table { return table }
            let table = try ForwardingTable()
            self.table = table
            return table
        }
    }

    package static func makeContext() -> Context { Context() }

    package var kind: String { "read own addresses" }

    package func perform(in context: Context) -> Result<OwnAddresses, NetlinkError> {
        do throws(NetlinkError) {
            switch self {
            case .ownAddresses(let index, let limit):
                return .success(try context.open().ownAddresses(index: index, limit: limit))
            }
        } catch {
            return .failure(error)
        }
    }

    package static func problem(in answer: Result<OwnAddresses, NetlinkError>) -> String? {
        if case .failure(let error) = answer { "\(error)" } else { nil }
    }
}
