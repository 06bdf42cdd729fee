package import EVBWire

/// One interface of an Open vSwitch, with what its port and its bridge say of it.
package struct SwitchPort: Sendable, Equatable {
    /// The interface's name, which is the name of its link.
    package var name: String
    /// The UUID of its row in the table Interface.
    package var row: String
    /// The bridge that it is in.
    package var bridge: String
    /// Whether the bridge forwards in vswitchd itself (`datapath_type` netdev), and not in the kernel.
    package var isUserspace: Bool
    /// Whether the bridge floods frames to the group addresses of bridges (`other_config:forward-bpdu`).
    package var forwardsBPDU: Bool
    /// The VLAN of an access port; nil for a trunk.
    package var tag: UInt16?
    /// The index of the link; nil while there is none.
    package var linkIndex: Int32?
    /// The machine's address (`external_ids:attached-mac`).
    package var attachedMAC: MACAddress?
    /// What a manager calls the machine's interface (`external_ids:iface-id`).
    package var interfaceID: String?
    /// The name of what it is to be associated as (`external_ids:port-profile`).
    package var profile: String?
    /// What evbd has written of it.
    package var verdict = Verdict()

    /// What became of an association, as `external_ids` have it.
    package struct Verdict: Sendable, Hashable {
        /// `evb-status`
        package var status: String?
        /// `evb-reason`
        package var reason: String?

        package init(status: String? = nil, reason: String? = nil) {
            self.status = status
            self.reason = reason
        }
    }

    package init(name: String, row: String, bridge: String, isUserspace: Bool = false, forwardsBPDU: Bool = false) {
        self.name = name
        self.row = row
        self.bridge = bridge
        self.isUserspace = isUserspace
        self.forwardsBPDU = forwardsBPDU
    }
}
