@testable import OVSDB

/// A session with a server of OVSDB that sends what it likes, in portions.
enum OVSDBDriver {
    static func run(_ input: [UInt8]) {
        guard let portion = input.first.map({ Int($0) % 32 + 1 }) else { return }
        let stream = Array(input.dropFirst())
        let whole = session(stream, portion: max(stream.count, 1))
        let parted = session(stream, portion: portion)
        require(whole.events == parted.events, "portions of \(portion) make other events")
        require(whole.session.table.ports == parted.session.table.ports, "portions of \(portion) make another table")
        require(whole.session.outgoing == parted.session.outgoing, "portions of \(portion) make other answers")
        check(whole.session.table)
    }

    private static func session(
        _ stream: [UInt8], portion: Int
    ) -> (session: OVSDBSession, events: [OVSDBSession.Event]) {
        var session = OVSDBSession()
        var events: [OVSDBSession.Event] = []
        do {
            for start in stride(from: 0, to: stream.count, by: portion) {
                try session.receive(stream[start..<min(start + portion, stream.count)], &events)
            }
        } catch {
            // The connection is closed.
        }
        return (session, events)
    }

    private static func check(_ table: SwitchTable) {
        require(table.ports.count <= SwitchTable.rowsMax, "\(table.ports.count) interfaces are kept")
        for (name, port) in table.ports {
            require(port.name == name, "\(name) is the name of \(port)")
            guard let address = port.attachedMAC else { continue }
            require(table.ports(of: address).contains(port), "\(name) is not found by its machine's address")
        }
    }
}
