import EVBModel
import EVBTime
import EVBWire
import Testing

@testable import EVBPorts

@Suite struct ProblemBookTests {
    private func problem(_ kind: PortProblem.Kind, vsiID: String? = nil, _ message: String = "so") -> PortProblem {
        PortProblem(kind: kind, vsiID: vsiID, message: message, hint: "do")
    }

    private func second(_ seconds: UInt64) -> Instant { Instant(nanoseconds: 0) + .seconds(seconds) }

    @Test("SPD-179 what was found wrong is known to be recent until the time is over, and not before there was a look")
    func recent() {
        var book = ProblemBook()
        #expect(!book.isSettled(within: .seconds(9), at: second(0)))
        for look in [10, 20] as [UInt64] {
            _ = book.settle([problem(.noEVBTLV)], at: second(look))
            #expect(book.isSettled(within: .seconds(2), at: second(look)))
            #expect(book.isSettled(within: .seconds(2), at: second(look + 1)))
            #expect(!book.isSettled(within: .seconds(2), at: second(look + 2)))
        }
    }

    @Test("OPS-222 a problem begins once and is over once, and its age is that of the first look")
    func once() {
        var book = ProblemBook()
        #expect(book.settle([problem(.foreignECP, "1 frame")], at: second(1)).raised.count == 1)
        let again = book.settle([problem(.foreignECP, "2 frames")], at: second(5))
        #expect(again.raised.isEmpty && again.cured.isEmpty)
        #expect(book.problems(at: second(6)).map(\.message) == ["2 frames"])
        #expect(book.problems(at: second(6)).map(\.ageSeconds) == [5])
        let over = book.settle([], at: second(9))
        #expect(over.cured.map(\.problem.kind) == [.foreignECP] && over.cured.map(\.after) == [.seconds(8)])
        #expect(book.settle([], at: second(9)).cured.isEmpty && book.isEmpty)
    }

    @Test("OPS-222 what is so at each start is a problem only after a while, or where there is no doubt")
    func grace() {
        var book = ProblemBook()
        #expect(book.settle([problem(.noEVBTLV)], at: second(1)).raised.isEmpty && book.problems(at: second(1)).isEmpty)
        #expect(book.nextDeadline == second(4))
        #expect(book.settle([], at: second(2)).cured.isEmpty)
        _ = book.settle([problem(.noEVBTLV)], at: second(10))
        #expect(book.settle([problem(.noEVBTLV)], at: second(13)).raised.map(\.kind) == [.noEVBTLV])
        #expect(book.nextDeadline == nil)
        let certain = book.settle([problem(.noLLDP)], certain: [.noLLDP], at: second(20))
        #expect(certain.raised.map(\.kind) == [.noLLDP] && certain.cured.map(\.problem.kind) == [.noEVBTLV])
    }

    @Test("OPS-222 causes stand before consequences, and the list is bounded")
    func order() {
        var book = ProblemBook()
        let many = (0..<1000).map { problem(.addressConflict, vsiID: "\($0)") }
        _ = book.settle([problem(.vsiRefused), problem(.linkDown)] + many, at: second(1))
        let shown = book.problems(at: second(1))
        #expect(shown.count == ProblemBook.problemsMax)
        #expect(shown.prefix(3).map(\.kind) == [.linkDown, .vsiRefused, .addressConflict])
    }

    @Test("OPS-261 an EVB TLV elsewhere is remembered for its time, and few strays a second are read")
    func strays() {
        func frame(_ tlvs: [LLDPDU.OptionalTLV], timeToLive: UInt16 = 20) -> [UInt8] {
            let lldpdu = LLDPDU(
                chassisID: .chassis(MACAddress(truncating: 1)), portID: .local("a"), timeToLive: timeToLive,
                optional: tlvs)
            return Frame(destination: .nearestBridge, source: MACAddress(truncating: 1), payload: .lldp(lldpdu))
                .encoded()
        }
        func take(_ stray: inout StrayTLVs, _ octets: [UInt8], at now: Instant) -> Bool {
            octets.withUnsafeBytes { stray.take($0, isOwnGroup: false, at: now) }
        }
        let evb = LLDPDU.OptionalTLV.evb(
            EVBTLV(
                bridgeStatus: [],
                stationStatus: StationStatus(
                    groupIDs: false, reflectiveRelayRequest: false, reflectiveRelayStatus: .unknown), retries: 3,
                retransmissionExponent: 14,
                mode: .bridge, resourceWaitDelay: NegotiatedExponent(20, isRemote: false),
                reinitKeepAlive: NegotiatedExponent(20, isRemote: false)))
        var stray = StrayTLVs()
        #expect(!take(&stray, frame([]), at: second(1)) && stray.current(at: second(1)) == nil)
        #expect(!take(&stray, [1, 2, 3], at: second(1)) && !take(&stray, [], at: second(1)))
        #expect(take(&stray, frame([evb]), at: second(1)) && !take(&stray, frame([evb]), at: second(1)))
        #expect(stray.current(at: second(1))?.place == .group(.nearestBridge))
        #expect(stray.current(at: second(65)) != nil && stray.current(at: second(67)) == nil)
        var flooded = StrayTLVs()
        for _ in 0..<100 { _ = take(&flooded, frame([]), at: second(1)) }
        #expect(!take(&flooded, frame([evb]), at: second(1)) && take(&flooded, frame([evb]), at: second(2)))
    }
}
