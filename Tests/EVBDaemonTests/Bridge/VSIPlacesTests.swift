import EVBTime
import EVBWire
import Testing
import VSISamples

@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol

private func seconds(_ number: UInt64) -> Instant { Instant(nanoseconds: number * 1_000_000_000) }

private func ask(_ command: VDPCommand = .associate, hint: VSIRequest.Hint = .none) throws -> BridgeRequest {
    var asked = try request(command: command, [entry(machineOne, 0)])
    asked.hint = hint
    return asked
}

@Suite struct VSIPlacesTests {
    @Test("SEC-21 a migration moves a VSI once, and its source ends it")
    func migration() throws {
        var places = VSIPlaces()
        #expect(places.judge(try ask(), on: "a", at: seconds(0)) == .free)
        #expect(places.associated(vsi(1), on: "a", at: seconds(0)) == nil)
        #expect(places.judge(try ask(.preAssociate, hint: .migrating), on: "b", at: seconds(1)) == .free)
        #expect(places.judge(try ask(), on: "b", at: seconds(2)) == .free)
        #expect(places.associated(vsi(1), on: "b", at: seconds(2)) == "a")
        #expect(places.port(of: vsi(1)) == "b" && !places.isContested(vsi(1)))
        // The source's last requests do not move it back, and are no news: the machine is suspended, or it is about to end there.
        #expect(places.judge(try ask(hint: .suspended), on: "a", at: seconds(3)) == .moved(to: "b", isNews: false))
        #expect(places.judge(try ask(), on: "a", at: seconds(4)) == .moved(to: "b", isNews: false))
        #expect(places.judge(try ask(), on: "a", at: seconds(5)) == .moved(to: "b", isNews: false))
        places.departed(vsi(1), from: "a")
        // And it may come back.
        #expect(places.judge(try ask(), on: "a", at: seconds(6)) == .free)
        #expect(places.associated(vsi(1), on: "a", at: seconds(6)) == "b")
        places.ended(vsi(1), on: "b")
        #expect(places.port(of: vsi(1)) == "a")
        places.ended(vsi(1), on: "a")
        #expect(places.count == 0)
    }

    @Test("SEC-21 two stations that both keep a VSI alive never take it from each other by turns, and it is told once")
    func contest() throws {
        var places = VSIPlaces()
        _ = places.associated(vsi(1), on: "a", at: seconds(0))
        #expect(places.associated(vsi(1), on: "b", at: seconds(1)) == "a")
        var news = 0
        for second in stride(from: UInt64(3), to: 3000, by: 300) {
            guard case .moved("b", let isNews) = places.judge(try ask(), on: "a", at: seconds(second)) else {
                Issue.record("moved back after \(second) s")
                return
            }
            news += isNews ? 1 : 0
            // The one that has it goes on.
            #expect(places.judge(try ask(), on: "b", at: seconds(second)) == .free)
            #expect(places.associated(vsi(1), on: "b", at: seconds(second)) == nil)
        }
        #expect(news == 1 && places.isContested(vsi(1)))
        // It heals when the holder goes.
        places.ended(vsi(1), on: "b")
        #expect(places.judge(try ask(), on: "a", at: seconds(3001)) == .free)
        #expect(places.associated(vsi(1), on: "a", at: seconds(3001)) == nil)
    }

    @Test("SEC-21 a port that has lost a VSI takes part in a new migration after a Pre-Associate, or a long silence")
    func anotherMigration() throws {
        var places = VSIPlaces()
        _ = places.associated(vsi(1), on: "a", at: seconds(0))
        _ = places.associated(vsi(1), on: "b", at: seconds(1))
        #expect(places.judge(try ask(), on: "a", at: seconds(2)) != .free)
        #expect(places.judge(try ask(.preAssociateWithReservation), on: "a", at: seconds(3)) == .free)
        #expect(places.judge(try ask(), on: "a", at: seconds(4)) == .free)
        #expect(places.associated(vsi(1), on: "a", at: seconds(4)) == "b")
        #expect(places.judge(try ask(), on: "b", at: seconds(5)) != .free)
        #expect(places.judge(try ask(), on: "b", at: seconds(700)) != .free, "as long as a station waits at most")
        #expect(places.judge(try ask(), on: "b", at: seconds(1401)) == .free)
        // A third port is new to it.
        #expect(places.judge(try ask(), on: "c", at: seconds(1402)) == .free)
        #expect(places.associated(vsi(1), on: "c", at: seconds(1402)) == "a")
    }

    @Test("SEC-21 no station keeps a VSI from moving on: random requests leave each with one place")
    func randomWalk() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var state = seed
        func below(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        var places = VSIPlaces()
        var moves: [String: Int] = [:]
        // Ports that only keep alive: of three, each gets it once at most.
        for step in 0..<2000 {
            let port = ["a", "b", "c"][Int(below(3))]
            let now = seconds(UInt64(step) * 3)
            guard places.judge(try ask(), on: port, at: now) == .free else { continue }
            if places.port(of: vsi(1)) != port { moves[port, default: 0] += 1 }
            _ = places.associated(vsi(1), on: port, at: now)
        }
        #expect(moves.values.allSatisfy { $0 == 1 } && moves.count == 3, "seed \(seed): \(moves)")
    }
}
