package import JSON

// A status is asked for again and again: what is always in it writes itself, in the order of the keys. What seldom is goes by the coders.

extension StatusReport: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        write(to: &writer) { writer in
            writer.list(count: ports.count) { ports[$1].write(to: &$0) }
        }
    }

    /// Writes the report with other ports, whose list the closure writes.
    package func write(to writer: inout JSONWriter, ports: (inout JSONWriter) -> Void) {
        writer.object {
            $0.member("daemon", daemon)
            $0.member("notes", seldom: notes)
            $0.key("ports")
            ports(&$0)
            $0.member("problems", seldom: problems)
            $0.member("typeServers", seldom: typeServers)
        }
    }
}

extension DaemonStatus: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("pid", pid)
            $0.member("uptimeSeconds", uptimeSeconds)
            $0.member("version", version)
        }
    }
}

extension PortStatus: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            Self.write("channel", channel, to: &$0)
            $0.member("dialect", dialect.rawValue)
            Self.write("drain", drain, to: &$0)
            $0.member("interface", interface)
            $0.member("linkState", orNull: linkState?.rawValue)
            $0.member("linkUp", linkUp)
            Self.write("misbehaviour", misbehaviour, to: &$0)
            $0.key("peer")
            if let peer { peer.write(to: &$0) } else { $0.null() }
            $0.member("reflectiveRelay", reflectiveRelay)
            $0.member("role", role.rawValue)
            $0.member("timers", timers)
            $0.member("vsis", vsis)
        }
    }

    private static func write(_ name: StaticString, _ value: (some Encodable)?, to writer: inout JSONWriter) {
        guard let value else {
            writer.key(name)
            return writer.null()
        }
        writer.member(name, coded: value)
    }
}

extension PeerStatus: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("chassisID", chassisID)
            $0.member("evbMode", evbMode)
            $0.member("portID", portID)
        }
    }
}

extension ReflectiveRelayStatus: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("requested", requested)
            $0.member("status", status.rawValue)
        }
    }
}

extension TimerStatus: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("retries", retries)
            $0.member("rka", rka)
            $0.member("rte", rte)
            $0.member("rwd", rwd)
        }
    }
}

extension VSICounts: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("associated", associated)
            $0.member("deassociated", deassociated)
            $0.member("pending", pending)
            $0.member("preassociated", preassociated)
        }
    }
}
