import EVBTime
import EVBWire
import EdgeRelays
import Testing

@testable import EVBPorts
@testable import EVBStation

@Suite struct ManagedVSITests {
    @Test("SPD-190 what a station manages of a VSI has no more octets than it had")
    func size() { #expect(MemoryLayout<ManagedVSI>.stride <= 56) }

    @Test("SPD-190 what few VSIs have is there while it is, and takes no room afterwards")
    func seldom() {
        var managed = ManagedVSI(link: nil, owner: .control)
        #expect(managed.label == nil && managed.reported.isEmpty && managed.allWaiters.isEmpty)
        managed.label = "web"
        managed.formerType = "7 v1"
        managed.retryWaiter = { _ in }
        #expect(managed.label == "web" && managed.formerType == "7 v1" && managed.allWaiters.count == 1)
        managed.retryWaiter = nil
        managed.formerType = nil
        #expect(managed.label == "web" && managed.allWaiters.isEmpty && managed.hasSeldom)
        managed.label = nil
        #expect(managed.label == nil && !managed.hasSeldom)
    }

    @Test("SPD-190 what is known of a VSI's link is what it was when it is read again")
    func sights() {
        var managed = ManagedVSI(link: nil, owner: .control)
        #expect(managed.guestLink == .neverSeen)
        for sight in [ManagedVSI.GuestLinkSight.present, .neverSeen]
            + [0, 1, 1 << 62].map({ .gone(since: Instant(nanoseconds: $0)) })
        {
            managed.guestLink = sight
            #expect(managed.guestLink == sight)
        }
        managed.guestLink = .gone(since: Instant(nanoseconds: .max))
        #expect(managed.guestLink != .present && managed.guestLink != .neverSeen)
    }

    @Test("SPD-190 VSIs that one process asks for share what is known of it")
    func requesters() {
        var last: SharedRequester?
        let (one, other) = (Requester.client(name: "a", pid: 1, uid: 0), Requester.client(name: "b", pid: 1, uid: 0))
        let first = SharedRequester.shared(one, last: &last)
        #expect(first?.value == one && SharedRequester.shared(one, last: &last) === first)
        let second = SharedRequester.shared(other, last: &last)
        #expect(second?.value == other && first?.value == one)
        #expect(SharedRequester.shared(nil, last: &last) == nil)
        #expect(SharedRequester.shared(other, last: &last) === second, "evbd itself comes in between")
    }
}
