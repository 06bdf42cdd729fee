import EVBWire
import Testing
import VSISamples

@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol

@Suite struct BridgeSeatTests {
    @Test("SEC-29 a port that has left changes nothing of the one that has its name now")
    func formerSeat() throws {
        let registry = BridgeRegistry()
        let admission = AcceptingAdmission(registry: registry)
        let former = BridgeSeat("a", admission: admission, registry: registry)
        let asked = try request([entry(machineOne, 0)])
        let grant = BridgeGrant(command: .associate, filter: asked.filter)
        func bind(_ seat: BridgeSeat) {
            var decision: BridgeDecision?
            seat.decide(asked) { decision = $0.decision }
            #expect(decision == .grant(asked.filter))
            seat.bind(vsi(1), grant, request: asked)
            seat.bound(vsi(1), .associate)
        }
        bind(former)
        former.leave()
        #expect(registry.ledger.load == (0, 0) && !former.isOpen)
        let next = BridgeSeat("a", admission: admission, registry: registry)
        bind(next)
        // All that the former port may still do.
        former.withdraw(vsi(1))
        former.released(vsi(1))
        former.departed(vsi(1), asked.filter)
        former.lost()
        former.bound(vsi(1), .preAssociate)
        former.protect([try #require(MACAddress(machineTwo))])
        former.leave()
        #expect(registry.ledger.load == (1, 1) && registry.places.port(of: vsi(1)) == "a")
        var decision: BridgeDecision?
        former.decide(try request(id: vsi(2), [entry(machineTwo, 0)])) { decision = $0.decision }
        #expect(decision == .refuse(Refusal(reason: .insufficientResources, isHard: false, isKept: true)))
        #expect(next.isOpen)
        // Also where it has not left yet.
        let third = BridgeSeat("a", admission: admission, registry: registry)
        next.released(vsi(1))
        next.leave()
        #expect(registry.ledger.load == (1, 1) && third.isOpen)
    }
}
