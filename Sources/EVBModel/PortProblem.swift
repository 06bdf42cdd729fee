public import JSON

/// Something that is wrong on a port, or with the daemon, now, and that an operator has to put right.
public struct PortProblem: Codable, Sendable, Equatable {
    /// What is wrong. A cause stands before its consequences.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// There is no interface of the port's name.
        case interfaceMissing = "interface-missing"
        /// Another evbd has the interface.
        case interfaceTaken = "interface-taken"
        /// The kernel does not let evbd listen on the interface.
        case cannotListen = "cannot-listen"
        /// The S-channel is not given, or what it needs in the kernel cannot be had.
        case channelDown = "channel-down"
        /// The interface is down, or has no carrier.
        case linkDown = "link-down"
        /// Frames are longer than the interface's MTU, and the kernel does not send them.
        case mtuTooSmall = "mtu-too-small"
        /// The kernel does not send frames, for another reason.
        case sendFailing = "send-failing"
        /// The peer's EVB TLV comes to another group address, or in a VLAN, where it does not count.
        case evbTLVElsewhere = "evb-tlv-elsewhere"
        /// The peer's EVB TLV cannot be read.
        case unusableTLV = "unusable-tlv"
        /// The neighbour plays the same role as the port.
        case sameRole = "same-role"
        /// The neighbour speaks a dialect that the port is not to speak.
        case dialectMismatch = "dialect-mismatch"
        /// The neighbour sends LLDP without an EVB TLV.
        case noEVBTLV = "no-evb-tlv"
        /// Nothing is heard by LLDP.
        case noLLDP = "no-lldp"
        /// The peer has sent no LLDPDU for long, and will age out.
        case silentPeer = "silent-peer"
        /// Another program speaks LLDP under the peer's name and address.
        case secondLLDPSpeaker = "second-lldp-speaker"
        /// More than one EVB peer is heard.
        case severalPeers = "several-peers"
        /// More than one neighbour is heard by LLDP, and one of them is the EVB peer.
        case severalNeighbours = "several-neighbours"
        /// ECP comes from an address that is not the peer's.
        case foreignECP = "foreign-ecp"
        /// ECP comes to an address that is not the port's group address.
        case misaddressedECP = "misaddressed-ecp"
        /// The bridge does not acknowledge ECP.
        case ecpUnacknowledged = "ecp-unacknowledged"
        /// The bridge acknowledges ECP and does not answer by VDP.
        case vdpUnanswered = "vdp-unanswered"
        /// The bridge refuses reflective relay.
        case relayRefused = "relay-refused"
        /// The bridge reflects frames to a station that relays between its machines itself, and does not ask for that.
        case reflectsUnasked = "reflects-unasked"
        /// The bridge reflects frames into the Linux bridge or Open vSwitch that a station's port is in.
        case reflectsIntoBridge = "reflects-into-bridge"
        /// The bridge cannot keep as many VSIs alive.
        case bridgeOverloaded = "bridge-overloaded"
        /// The bridge refuses VSIs, or does not have them any more.
        case vsiRefused = "vsi-refused"
        /// A limit of this evbd is reached, and VSIs are refused.
        case limitReached = "limit-reached"
        /// Reflective relay is configured, and the port's Linux bridge cannot do it.
        case relayNotOffered = "relay-not-offered"
        /// The port's Linux bridge hands LLDP and ECP on between its ports.
        case noSpanningTree = "no-spanning-tree"
        /// The VXLAN device does not carry virtual networks of VSIs.
        case overlay
        /// Frames that the port takes are too long for the way to other boxes.
        case overlayMTU = "overlay-mtu"
        /// Stations on two ports keep one VSI alive.
        case vsiContest = "vsi-contest"
        /// A VSI asks for an address that another VSI holds.
        case addressConflict = "address-conflict"
        /// The link of a VSI that is not associated cannot be closed, or not be given back.
        case unclosedLink = "unclosed-link"
        /// The port is a member of a bond, on which no links can be made.
        case bondMember = "bond-member"
        /// The network card cannot be told how to relay between its virtual functions.
        case cardSwitch = "card-switch"
        /// The kernel has no VLAN devices.
        case noVLANDevices = "no-8021q"
        /// The port is in Open vSwitch, or may be, and its database cannot be asked.
        case noOVSDB = "no-ovsdb"
        /// The port's Open vSwitch bridge hands LLDP and ECP on between its ports.
        case forwardsBPDU = "forwards-bpdu"
        /// The tap of a VSI is in another VLAN than the bridge has granted.
        case vlanMismatch = "vlan-mismatch"
        /// The guest filter cannot be set up: machines can speak LLDP and ECP to the switch.
        case unfilteredMachines = "unfiltered-machines"
        /// Addresses on the port belong to no VSI, and nothing filters what they send.
        case unmanagedAddresses = "unmanaged-addresses"
        /// What becomes of VSIs cannot be stored, and a restart of evbd would go on with what was before.
        case storeFailing = "store-failing"
        /// libvirt cannot talk to evbd, because of the netlink port that libnl has drawn for it.
        case libvirtPort = "libvirt-port"
        /// What a neighbour says of S-channels cannot be, or both sides do not fit.
        case cdcp
        /// A server has given no VSI types yet, so that VSIs of its manager are refused.
        case vsiTypesMissing = "vsi-types-missing"
        /// A server gives no newer VSI types; those that it gave before stay.
        case vsiTypesOutdated = "vsi-types-outdated"
        /// The configuration in force is not that of the file, which was refused.
        case reload

        /// How bad it is: whether VSIs of the port cannot work, or may fail to.
        public var severity: Severity {
            switch self {
            case .interfaceMissing, .interfaceTaken, .cannotListen, .channelDown, .linkDown, .mtuTooSmall, .sendFailing,
                .evbTLVElsewhere, .unusableTLV, .sameRole, .dialectMismatch, .noEVBTLV, .noLLDP, .foreignECP,
                .ecpUnacknowledged, .vdpUnanswered, .vsiRefused, .overlay, .vsiContest, .addressConflict, .unclosedLink,
                .bondMember,
                .noVLANDevices, .noOVSDB, .vlanMismatch, .storeFailing, .vsiTypesMissing, .libvirtPort:
                .critical
            case .silentPeer, .secondLLDPSpeaker, .severalPeers, .severalNeighbours, .misaddressedECP, .relayRefused,
                .reflectsUnasked, .reflectsIntoBridge, .bridgeOverloaded, .limitReached, .relayNotOffered,
                .noSpanningTree, .overlayMTU, .forwardsBPDU, .unfilteredMachines,
                .unmanagedAddresses, .cardSwitch, .cdcp, .vsiTypesOutdated, .reload:
                .warning
            }
        }

        /// The place in the order in which problems are shown.
        package var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// How bad a problem is, in the words of monitoring plugins.
    public enum Severity: String, Codable, Sendable, CaseIterable {
        case warning, critical
    }

    /// What is wrong.
    public var kind: Kind
    /// The port; nil where it is about the daemon.
    @Nullable public var port: String?
    /// How long it has been so, in whole seconds; an older evbd does not say.
    @Nullable public var ageSeconds: Int?
    /// The VSI that is asked for; nil where it is about no VSI.
    @Nullable public var vsiID: String?
    /// The other port of a contest, or the port of the VSI that holds the address; nil where there is none.
    @Nullable public var otherPort: String?
    /// The VSI that holds the address; nil in a contest.
    @Nullable public var otherVSIID: String?
    /// The address; nil in a contest.
    @Nullable public var address: String?
    /// What is wrong, for people.
    public var message: String
    /// What to do about it.
    public var hint: String

    /// Makes a problem.
    public init(
        kind: Kind, port: String? = nil, ageSeconds: Int? = nil, vsiID: String? = nil, otherPort: String? = nil,
        otherVSIID: String? = nil,
        address: String? = nil, message: String, hint: String
    ) {
        self.kind = kind
        self._port = Nullable(wrappedValue: port)
        self._ageSeconds = Nullable(wrappedValue: ageSeconds)
        self._vsiID = Nullable(wrappedValue: vsiID)
        self._otherPort = Nullable(wrappedValue: otherPort)
        self._otherVSIID = Nullable(wrappedValue: otherVSIID)
        self._address = Nullable(wrappedValue: address)
        self.message = message
        self.hint = hint
    }
}
