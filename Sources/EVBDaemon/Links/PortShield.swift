internal import LinuxSystem
internal import Logging
internal import Netlink

/// The guest filter at a port, for machines whose links are out of reach: containers.
///
/// While it is in force evbd hears the port before the rules do, and nobody else on this host sends or hears LLDP
/// there.
final class PortShield {
    private let filter: GuestFilter
    private let portName: String
    private let table: LinkTable
    private let logger: Logger
    /// Drawn anew by each evbd, and told to nobody but nftables.
    private let mark = UInt32.random(in: 1 ... .max)
    /// The interface that has the rules, or is about to.
    private var index: Int32?
    /// Those who wait for the rules that are being made; nil when none are.
    private var waiting: [GuestFilter.Completion]?
    /// Called with evbd's mark when its socket has to bear it, and with nil when it need not any more.
    var onMark: ((UInt32?) -> Void)?

    /// Is not in force.
    init(filter: GuestFilter, portName: String, table: LinkTable, logger: Logger) {
        self.filter = filter
        self.portName = portName
        self.table = table
        self.logger = logger
    }

    /// Brings it into force; `then` hears why it is not, or nil.
    func raise(then: @escaping GuestFilter.Completion) {
        guard let port = table[portName] else { return then("the port is gone") }
        if index == port.index {
            if waiting == nil { then(nil) } else { waiting?.append(then) }
            return
        }
        if let index {
            filter.release(port: index)
        } else {
            logger.notice(
                "a VSI is for a container: only evbd speaks and hears LLDP and ECP on this port from now on",
                metadata: ["to change that": "guest-filter: false"])
        }
        index = port.index
        waiting = (waiting ?? []) + [then]
        onMark?(mark)
        filter.protect(port: port, mark: mark) { [weak self] problem in
            guard let self, index == port.index else { return then("the port is gone") }
            let waiting = self.waiting ?? []
            self.waiting = nil
            if problem != nil { lower() }
            for then in waiting { then(problem) }
        }
    }

    /// Ends it.
    func lower() {
        guard let index else { return }
        filter.release(port: index)
        self.index = nil
        onMark?(nil)
        let waiting = self.waiting ?? []
        self.waiting = nil
        for then in waiting { then("the port has no such machines any more") }
    }
}
