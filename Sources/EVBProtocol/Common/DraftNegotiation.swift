internal import EVBWire

/// The draft's negotiation, the same for both sides: what both can do is configured, and reflective relay goes before
/// standard forwarding.
struct DraftNegotiation {
    /// VSIs that are announced, as lldpad does. More are asked for all the same: the bridge knows best what it can take.
    static let supportedVSIs: UInt16 = 3295
    /// Everything that the draft has is supported.
    static let capabilities: DraftEVBTLV.Capabilities = [.retransmissionExponent, .ecp, .vdp]

    /// What this side is told of itself.
    struct Configuration {
        /// The numbers that it proposes; of these the draft has RTE alone.
        var timers: OperationalTimers
        /// Whether it can have reflective relay. A VEPA works without, and wants it; a VEB must not have it.
        var supportsReflectiveRelay: Bool
        /// Whether the local numbers hold whatever the other side says.
        var isManual: Bool
        /// VSIs that it says it can have.
        var supportedVSIs = DraftNegotiation.supportedVSIs
    }

    var configuration: Configuration
    /// The other side's last TLV; nil while it is not heard.
    var remote: DraftEVBTLV?

    init(configuration: Configuration) { self.configuration = configuration }

    private var supportedModes: DraftEVBTLV.ForwardingModes {
        configuration.supportsReflectiveRelay ? [.standard, .reflectiveRelay] : .standard
    }

    /// Whether both sides can have reflective relay, so that it is configured.
    var agreesOnReflectiveRelay: Bool {
        supportedModes.intersection(remote?.supportedModes ?? []).contains(.reflectiveRelay)
    }

    private var agreedCapabilities: DraftEVBTLV.Capabilities {
        Self.capabilities.intersection(remote?.supportedCapabilities ?? [])
    }

    /// Whether both sides have ECP and VDP.
    var isVDPAgreed: Bool { agreedCapabilities.isSuperset(of: [.ecp, .vdp]) }

    /// RTE as it holds: the larger one where both negotiate it. ECP does not use it.
    var retransmissionExponent: UInt8 {
        let local = configuration.timers.retransmissionExponent
        guard let remote, agreedCapabilities.contains(.retransmissionExponent), !configuration.isManual else {
            return local
        }
        return max(local, remote.retransmissionExponent)
    }

    /// The TLV to send for this many VSIs. RTE goes out as configured, so that no two sides echo each other.
    func outgoing(vsis: Int) -> DraftEVBTLV {
        DraftEVBTLV(
            supportedModes: supportedModes, supportedCapabilities: Self.capabilities,
            configuredModes: agreesOnReflectiveRelay ? .reflectiveRelay : .standard,
            configuredCapabilities: agreedCapabilities,
            supportedVSIs: isVDPAgreed ? configuration.supportedVSIs : 0,
            configuredVSIs: isVDPAgreed ? UInt16(clamping: vsis) : 0,
            retransmissionExponent: configuration.timers.retransmissionExponent)
    }
}
