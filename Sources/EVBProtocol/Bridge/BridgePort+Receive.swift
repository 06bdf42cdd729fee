public import EVBTime
public import EVBWire

extension BridgePort {
    /// Takes in a frame from the wire.
    public mutating func receive(_ frame: Frame, at now: Instant) -> [BridgeEffect] {
        // A loop returns the port's own frames.
        guard link.isUp, frame.source != configuration.address else { return [] }
        take(frame, at: now)
        return finish(at: now)
    }

    /// Counts a frame that could not be read; one to another address is not the station's.
    ///
    /// - Parameters:
    ///   - error: why the frame could not be read.
    ///   - header: the frame's header; nil where the frame is too short to have one.
    public mutating func countUnreadable(_ error: WireError, _ header: FrameHeader?) { link.countUnreadable(header) }

    mutating func payloadAcknowledged() { vdp.pduAcknowledged() }

    mutating func payloadFailed(at now: Instant) { vdp.pduFailed() }

    mutating func receiveRequest(_ ecpdu: ECPDU, at now: Instant) {
        let dialect = link.negotiation.dialect
        guard !link.receiver.isRepetition(ecpdu, timers: link.negotiation.times, at: now) else {
            link.statistics.ecpRxDuplicates &+= 1
            link.transmit(dialect.acknowledgement(of: ecpdu))
            return
        }
        guard !vdp.keepCohortAlive(ecpdu.payload, at: now) else {
            link.receiver.note(ecpdu, at: now)
            link.transmit(dialect.acknowledgement(of: ecpdu))
            return
        }
        guard let reading = try? dialect.read(ecpdu.payload, from: .station) else {
            // It has arrived, and will not get better by being sent again.
            link.receiver.note(ecpdu, at: now)
            vdp.statistics.malformed &+= 1
            link.transmit(dialect.acknowledgement(of: ecpdu))
            return
        }
        guard vdp.canTake(reading) else {
            link.statistics.ecpRxRefused &+= 1
            return
        }
        link.receiver.note(ecpdu, at: now)
        link.transmit(dialect.acknowledgement(of: ecpdu))
        vdp.receive(reading, ecpdu.payload, at: now)
    }
}
