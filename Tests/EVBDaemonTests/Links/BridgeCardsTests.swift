import Netlink
import Testing

@testable import EVBDaemon
@testable import EdgeRelays

/// Which ports of a bridge lead to the network.
@Suite struct BridgeCardsTests {
    private func link(_ index: Int32, _ name: String, kind: String? = nil, master: Int32? = 9) -> Link {
        var link = Link(index: index, name: name)
        (link.kind, link.masterIndex) = (kind, master)
        return link
    }

    @Test("SEC-414 a card that joins or leaves the port's bridge is noticed; news of taps cost no look at all links")
    func cards() {
        var cards = BridgeCards()
        var looks = 0
        func setBridge(_ index: Int32?, _ members: [Link] = []) {
            cards.setBridge(index, port: 2) { _ in
                looks += 1
                return members
            }
        }
        #expect(cards.linkChanged("eth1", link(3, "eth1")) == false, "the port is in no bridge")
        setBridge(9, [link(2, "eth0"), link(4, "tap0", kind: "tun")])
        #expect(cards.isEmpty && looks == 1)
        setBridge(9)
        for number in 5..<105 as Range<Int32> {
            #expect(cards.linkChanged("tap\(number)", link(number, "tap\(number)", kind: "tun")) == false)
        }
        #expect(cards.linkChanged("eth1", link(3, "eth1", master: 8)) == false)
        #expect(cards.linkChanged("eth0", link(2, "eth0")) == false, "the port itself")
        #expect(cards.linkChanged("eth1", link(3, "eth1")) == true)
        #expect(!cards.isEmpty)
        #expect(cards.linkChanged("bond0", link(200, "bond0", kind: "bond")) == false, "the second changes nothing")
        #expect(cards.linkChanged("eth1", nil) == false)
        #expect(cards.linkChanged("bond0", link(200, "bond0", kind: "bond", master: nil)) == true, "it has left")
        #expect(cards.isEmpty && looks == 1)
        setBridge(10, [link(3, "eth1", master: 10)])
        #expect(!cards.isEmpty && looks == 2)
        setBridge(nil)
        #expect(cards.isEmpty && looks == 2)
    }
}
