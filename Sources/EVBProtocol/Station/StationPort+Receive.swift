public import EVBTime
public import EVBWire

extension StationPort {
    /// Takes in a frame from the wire.
    public mutating func receive(_ frame: Frame, at now: Instant) -> [StationEffect] {
        // A reflective relay or a loop returns the port's own frames.
        guard link.isUp, frame.source != configuration.address else { return [] }
        take(frame, at: now)
        return finish(at: now)
    }

    /// Counts a frame that could not be read; one to another address is not the bridge's.
    ///
    /// - Parameters:
    ///   - error: why the frame could not be read.
    ///   - header: the frame's header; nil where the frame is too short to have one.
    public mutating func countUnreadable(_ error: WireError, _ header: FrameHeader?) { link.countUnreadable(header) }

    mutating func payloadAcknowledged() { vdp.payloadAcknowledged() }

    mutating func payloadFailed(at now: Instant) { vdp.payloadFailed(at: now) }

    mutating func receiveRequest(_ ecpdu: ECPDU, at now: Instant) {
        link.transmit(link.negotiation.dialect.acknowledgement(of: ecpdu))
        if link.receiver.isNew(ecpdu, timers: link.negotiation.times, at: now) {
            vdp.receive(ecpdu.payload, at: now)
        } else {
            link.statistics.ecpRxDuplicates &+= 1
        }
    }
}
