package import JSON

// A list has tens of thousands of VSIs: each writes itself, member by member, in the order of the keys and with the octets
// that the coders would give.

/// The members of a VSI's status beside its names and its filter: a list writes those from the octets that they are kept as.
package struct VSIStatusParts {
    package var port: String
    package var typeID: Int
    package var typeVersion: Int
    package var state: VSIState
    package var reason: VSIReason?
    package var link: VSILink?
    package var warnings: [VSIWarning] = []
    package var label: String?
    package var requestedLink: VSILink?
    package var retryInMilliseconds: Int?
    package var networks: [VSINetwork] = []

    package init(port: String, typeID: Int, typeVersion: Int, state: VSIState, reason: VSIReason?) {
        self.port = port
        self.typeID = typeID
        self.typeVersion = typeVersion
        self.state = state
        self.reason = reason
    }

    /// Writes the status that has these parts; the closures write the values of the other members.
    package func write(
        to writer: inout JSONWriter, format: VSIIDFormat, vsiID: (inout JSONWriter) -> Void,
        managerID: (inout JSONWriter) -> Void, filters: (inout JSONWriter) -> Void
    ) {
        writer.object {
            $0.key("filters")
            filters(&$0)
            $0.member("label", orNull: label)
            $0.key("link")
            if let link { link.write(to: &$0) } else { $0.null() }
            $0.key("managerID")
            managerID(&$0)
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
            $0.key("vsiID")
            vsiID(&$0)
            $0.member("vsiIDFormat", format.rawValue)
            $0.key("warnings")
            $0.list(count: warnings.count) { warnings[$1].write(to: &$0) }
        }
    }
}

extension VSIStatus {
    /// Joins parts with names and filters.
    package init(
        _ parts: VSIStatusParts, vsiID: String, format: VSIIDFormat, managerID: String?, filters: [VSIFilter]
    ) {
        self.init(
            vsiID: vsiID, vsiIDFormat: format, port: parts.port, managerID: managerID, typeID: parts.typeID,
            typeVersion: parts.typeVersion, state: parts.state, reason: parts.reason, filters: filters,
            link: parts.link, warnings: parts.warnings, label: parts.label, requestedLink: parts.requestedLink,
            retryInMilliseconds: parts.retryInMilliseconds, networks: parts.networks)
    }
}

extension VSIStatus: JSONWritable {
    package func write(to writer: inout JSONWriter) {
        var parts = VSIStatusParts(
            port: port, typeID: typeID, typeVersion: typeVersion, state: state, reason: reason)
        (parts.link, parts.warnings, parts.label) = (link, warnings, label)
        (parts.requestedLink, parts.retryInMilliseconds, parts.networks) = (
            requestedLink, retryInMilliseconds, networks
        )
        parts.write(
            to: &writer, format: vsiIDFormat, vsiID: { $0.value(vsiID) }, managerID: { $0.value(orNull: managerID) },
            filters: { $0.list(count: filters.count) { filters[$1].write(to: &$0) } })
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
