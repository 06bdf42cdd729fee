package import JSON

// A list has tens of thousands of VSIs: each writes itself, member by member, in the order of the keys and with the octets
// that the coders would give.

extension VSIStatus: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.key("filters")
            $0.list(count: filters.count) { filters[$1].write(to: &$0) }
            $0.member("label", orNull: label)
            $0.key("link")
            if let link { link.write(to: &$0) } else { $0.null() }
            $0.member("managerID", orNull: managerID)
            $0.key("networks")
            $0.list(count: networks.count) { networks[$1].write(to: &$0) }
            $0.member("port", port)
            $0.member("reason", orNull: reason?.rawValue)
            $0.key("requestedLink")
            if let requestedLink { requestedLink.write(to: &$0) } else { $0.null() }
            $0.member("retryInMilliseconds", orNull: retryInMilliseconds)
            $0.member("state", state.rawValue)
            $0.member("typeID", typeID)
            $0.member("typeVersion", typeVersion)
            $0.member("vsiID", vsiID)
            $0.member("vsiIDFormat", vsiIDFormat.rawValue)
            $0.key("warnings")
            $0.list(count: warnings.count) { warnings[$1].write(to: &$0) }
        }
    }
}

extension VSIFilter: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("group", orNull: group)
            $0.member("mac", orNull: mac)
            $0.member("pcp", orNull: pcp)
            $0.member("vlan", orNull: vlan)
        }
    }
}

extension VSILink: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("kind", orNull: kind?.rawValue)
            $0.member("mode", orNull: mode?.rawValue)
            $0.member("name", name)
        }
    }
}

extension VSIWarning: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("hint", hint)
            $0.member("kind", kind.rawValue)
            $0.member("message", message)
        }
    }
}

extension VSINetwork: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("vlan", vlan)
            $0.member("vni", vni)
        }
    }
}
