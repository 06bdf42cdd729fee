package import EVBTime
package import EVBWire
internal import LinuxSystem

/// EVB TLVs that are heard where they do not count: in LLDPDUs to another group address, or in a VLAN.
///
/// A switch that is configured so is otherwise silent for evbd, and the operator sees nothing wrong. What the TLV says is never
/// followed. The newest sighting is kept, and few LLDPDUs a second are read.
package struct StrayTLVs {
    /// One that was heard.
    package struct Sighting: Equatable {
        package enum Place: Equatable {
            /// To a group address that is not the port's.
            case group(MACAddress)
            /// To the port's group address, in a VLAN.
            case vlan
        }

        package let place: Place
        package let source: MACAddress
        package let chassisID: LLDPIdentifier
        package let portID: LLDPIdentifier
    }

    /// The group addresses of LLDP (802.1AB 7.1): nearest bridge, nearest non-TPMR bridge, nearest customer bridge.
    static let groups = [0x0180_C200_000E, 0x0180_C200_0003, 0x0180_C200_0000].map { HardwareAddress($0) }
    /// How long a sighting counts at least. A neighbour sends every 30 s, and one LLDPDU may get lost.
    private static let memoryMin = Interval.seconds(65)

    private var newest: (sighting: Sighting, until: Instant)?
    private var allowance = TokenBucket(burst: 8, perSecond: 2)

    package init() {}

    /// What was heard and still counts.
    package func current(at now: Instant) -> Sighting? { newest.flatMap { $0.until > now ? $0.sighting : nil } }

    /// Looks at a stray LLDPDU.
    ///
    /// - Parameters:
    ///   - octets: The frame, as far as it was kept.
    ///   - isOwnGroup: Whether it was sent to a group address of the port's.
    ///   - now: The time.
    /// - Returns: Whether it shows what the one before did not.
    package mutating func take(_ octets: UnsafeRawBufferPointer, isOwnGroup: Bool, at now: Instant) -> Bool {
        guard allowance.available(at: now) > 0 else { return false }
        allowance.take()
        guard let frame = try? Frame(decoding: octets), case .lldp(let lldpdu) = frame.payload, lldpdu.timeToLive > 0,
            !lldpdu.evbTLVs.isEmpty || !lldpdu.draftEVBTLVs.isEmpty
        else { return false }
        let sighting = Sighting(
            place: isOwnGroup ? .vlan : .group(frame.destination), source: frame.source, chassisID: lldpdu.chassisID,
            portID: lldpdu.portID)
        let isNew = current(at: now) != sighting
        newest = (sighting, now + max(.seconds(UInt64(lldpdu.timeToLive)), Self.memoryMin))
        return isNew
    }
}
