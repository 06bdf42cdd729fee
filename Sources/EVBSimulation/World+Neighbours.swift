internal import EVBProtocol
internal import EVBTime
internal import EVBWire

// Other neighbours on a link that stays up: another bridge in the place of the former one, a false bridge beside the true one,
// and sides whose addresses change.

extension World {
    /// The addresses of false bridges begin like this; those of the true ones never do.
    private static let falsePrefix: UInt64 = 0x0A00_0000_0000

    /// Another bridge takes the place of the one that there was, and knows nothing of it.
    mutating func replaceBridge(_ index: Int) throws(Ledger.Breach) {
        guard pairs[index].isBridgeRunning else { return }
        try killBridge(index, returningAfter: .milliseconds(UInt64(random.within(1...500))))
        note(.note("another bridge is to take its place"), index)
        pairs[index].bridgeSettings.address = MACAddress(truncating: 0x0655_0000_0000 | random.next() & 0xFFFF_FFFF)
        // A stack's other member may go by the same name.
        if random.flag() { pairs[index].bridgeSettings.chassis = pairs[index].bridgeSettings.address }
    }

    /// The address of a side's interface changes. Its name as a chassis stays.
    mutating func changeAddress(_ index: Int) throws(Ledger.Breach) {
        if random.flag() {
            note(.note("the station's address changes"), index)
            pairs[index].stationSettings.address = MACAddress(truncating: 0x0200_0100_0000 | random.next() & 0xFF_FFFF)
            let settings = pairs[index].stationSettings
            try stationDoes(index) { [now] in $0.reconfigure(settings, at: now) }
        } else {
            note(.note("the bridge's address changes"), index)
            pairs[index].bridgeSettings.address = MACAddress(truncating: 0x0655_0100_0000 | random.next() & 0xFF_FFFF)
            let settings = pairs[index].bridgeSettings
            try bridgeDoes(index) { [now] in $0.reconfigure(settings, at: now) }
        }
    }

    /// A false bridge says so many times, a second apart, that it is there.
    mutating func announceFalseBridge(_ index: Int, times: Int) {
        guard times > 0, !isQuiet else { return }
        let address = MACAddress(truncating: Self.falsePrefix | (random.flag() ? 1 : random.next() & 0xFF_FFFF))
        let tlv = EVBTLV(
            bridgeStatus: [.reflectiveRelayCapable, .groupIDs],
            stationStatus: StationStatus(groupIDs: false, reflectiveRelayRequest: false, reflectiveRelayStatus: .off),
            retries: 3, retransmissionExponent: 14, mode: .bridge,
            resourceWaitDelay: NegotiatedExponent(20, isRemote: false),
            reinitKeepAlive: NegotiatedExponent(20, isRemote: false))
        let lldpdu = LLDPDU(
            chassisID: .chassis(address), portID: .port(address), timeToLive: 121, optional: [.evb(tlv)])
        transmit(
            Frame(destination: .nearestCustomerBridge, source: address, payload: .lldp(lldpdu)), index, toBridge: false)
        events.add(.falseBridge(station: index, times: times - 1), at: now + .seconds(1))
    }

    /// The bridge can be reached from now on.
    mutating func bridgeIsBack(_ index: Int) { pairs[index].bridgeSoundSince = now }

    /// A bridge that answers is never taken for gone because another one is heard.
    func checkReplaced(_ index: Int) throws(Ledger.Breach) {
        let pair = pairs[index]
        let isLegible = swarm.corrupt == 0 && swarm.loss <= 100 && !swarm.faults.contains(.delay)
        let isThere = pair.isBridgeRunning && pair.isLinkUp && !pair.isCut
        let isSound = isThere && now.since(pair.bridgeSoundSince) > .seconds(150)
        // It is no breach to leave a false one, for the true one or for another false one.
        let wasFollowed = pair.followed == pair.bridgeSettings.address
        let isFollowed = pair.station.snapshot.peer?.address == pair.bridgeSettings.address
        guard isLegible, isSound, wasFollowed, !isFollowed, swarm.faults.isDisjoint(with: [.changeAddress, .dialect])
        else { return }
        throw Ledger.Breach(
            rule: "a bridge that answers is not taken for gone because another is heard",
            detail: "sound since \(Trace.text(pair.bridgeSoundSince))")
    }
}
