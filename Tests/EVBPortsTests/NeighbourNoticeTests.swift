import EVBModel
import EVBPorts
import EVBWire
import Testing

@Suite struct NeighbourNoticeTests {
    @Test(
        "OPS-117 what is wrong with a neighbour is said by the name of its role",
        arguments: [
            (
                NeighbourNotice.severalPeers(2), PortProblem.Kind.severalPeers,
                "2 EVB stations are heard on one link; the first is spoken with",
                "2 EVB bridges are heard on one link; the first is spoken with", "look for a hub or a bridge between",
                "look for a hub or a bridge between"
            ),
            (
                .sameRole, .sameRole, "the neighbour is an EVB bridge too", "the neighbour is an EVB station too",
                "one end of the link has to be an EVB station", "one end of the link has to be an EVB bridge"
            ),
            (
                .ratifiedOnly, .dialectMismatch,
                "the neighbour speaks the ratified EVB only, and the port is set to draft",
                "the neighbour speaks the ratified EVB only, and the port is set to draft",
                "allow it by dialect: auto", "allow it by dialect: auto"
            ),
            (
                .foreignECP(MACAddress(truncating: 0x0200_0000_0001), frames: 3), .foreignECP,
                "ECP comes from 02:00:00:00:00:01, which is none of the station's addresses by LLDP, and is left (3 frames)",
                "ECP comes from 02:00:00:00:00:01, which is none of the bridge's addresses by LLDP, and is left (3 frames)",
                "if it is the station's, give ecp: { source: any }", "if it is the bridge's, give ecp: { source: any }"
            ),
            (
                .misaddressedECP(.nearestBridge), .misaddressedECP,
                "dropping ECP to 01:80:c2:00:00:0e, which is not its group address here",
                "dropping ECP to 01:80:c2:00:00:0e, which is not its group address here",
                "if the station is to be heard there, give group-address: 01:80:c2:00:00:0e",
                "if the bridge is to be heard there, give group-address: 01:80:c2:00:00:0e"
            ),
        ])
    func words(
        _ notice: NeighbourNotice, _ kind: PortProblem.Kind, _ ofStation: String, _ ofBridge: String,
        _ stationHint: String, _ bridgeHint: String
    ) {
        let station = notice.problem(peerRole: .station, dialect: .draft)
        let bridge = notice.problem(peerRole: .bridge, dialect: .draft)
        #expect((station.kind, bridge.kind) == (kind, kind))
        #expect((station.message, station.hint) == (ofStation, stationHint))
        #expect((bridge.message, bridge.hint) == (ofBridge, bridgeHint))
    }
}
