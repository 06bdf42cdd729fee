// What many VSIs and many types cost.

import EVBProtocol
import EVBWire
import Glibc
import Testing
import VSISamples

@testable import BridgeDataplane
@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBSettings
@testable import EventLoop

@Suite struct LoadOfTypesTests {
    private func waiting(_ entries: Int) -> TypedAdmission.Waiting {
        TypedAdmission.Waiting(change: .withdraw(ClaimToken(number: 1)), entries: entries, completion: nil)
    }

    @Test("SEC-75 what a port has changed at a time is bounded, so that other ports have their turns")
    func batches() throws {
        let port = TypedAdmission.Port(database: try database("types: []"), loop: try EventLoop())
        let most = TypedAdmission.batchEntriesMax
        for _ in 0..<1000 { port.waiting.append(waiting(1)) }
        port.waiting.append(waiting(most * 3))
        for _ in 0..<10 { port.waiting.append(waiting(most - 4)) }
        var batches: [[Int]] = []
        while !port.waiting.isEmpty { batches.append(port.takeBatch().map(\.entries)) }
        #expect(
            batches.flatMap { $0 } == Array(repeating: 1, count: 1000) + [most * 3]
                + Array(repeating: most - 4, count: 10))
        #expect(batches.allSatisfy { $0.count == 1 || $0.reduce(0, +) <= most })
        #expect(batches.count <= 1000 / most + 2 + 10 + 1, "no more of them than need be")
    }

    @Test("SEC-75 the more ports have changes to make, the fewer each makes at a time")
    func shares() throws {
        let port = TypedAdmission.Port(database: try database("types: []"), loop: try EventLoop())
        #expect([0, 1, 2, 3, 4, 100].map(TypedAdmission.batchEntries) == [32, 32, 16, 16, 16, 16])
        for _ in 0..<100 { port.waiting.append(waiting(1)) }
        #expect(port.takeBatch(TypedAdmission.batchEntries(of: 3)).count == 16 && port.isActive)
    }

    @Test("SEC-75 ten thousand changes that wait cost each as much as the first: nothing is copied")
    func appending() throws {
        let port = TypedAdmission.Port(database: try database("types: []"), loop: try EventLoop())
        let ports = ["eth0": port]
        func faults() -> Int {
            var usage = rusage()
            getrusage(1 /* RUSAGE_THREAD */, &usage)
            return usage.ru_minflt
        }
        func append() {
            // As the admission does it.
            guard let port = ports["eth0"] else { return }
            port.waiting.append(waiting(1))
        }
        for _ in 0..<10_000 { append() }
        let before = faults()
        for _ in 0..<2000 { append() }
        // A copy of ten thousand is some hundred pages.
        #expect(faults() - before < 2000, "pages touched for the first time")
    }

    @Test("SEC-76 a type is found among the types of four thousand managers without a look at the others")
    func managers() throws {
        let count = 4000
        let types = (0..<count).map { number in
            let manager = "00000000-0000-0000-0000-" + String(repeating: "0", count: 4) + hexadecimal(number)
            return "- { name: t\(number), manager: \(manager), type: 100 }"
        }
        let database = try database((["types:"] + types).joined(separator: "\n"))
        #expect(database.types.count == count)
        for number in [0, 1, count / 2, count - 1] {
            let manager = VSIManagerID(high: 0, low: UInt64(number))
            let own = database.ownTypes(of: [manager], typeID: 100)
            // Zero is the choice of the bridge, and this one has no default.
            #expect(own.map(\.name) == ["t\(number)"])
            guard number > 0 else { continue }
            #expect(try database.type(of: manager, typeID: 100, version: 1).name == "t\(number)")
            #expect(throws: TypeRefusal.unknownType(7)) { try database.type(of: manager, typeID: 7, version: 1) }
        }
        let stranger = VSIManagerID(high: 1, low: 1)
        #expect(throws: TypeRefusal.unknownManager(stranger)) {
            try database.type(of: stranger, typeID: 100, version: 1)
        }
        #expect(throws: TypeRefusal.unknownManager(.unspecified)) {
            try database.type(of: .unspecified, typeID: 100, version: 1)
        }
    }

    @Test("SEC-713 a list of thousands of addresses is looked through by the lengths of its entries")
    func lists() throws {
        var patterns = MACPatterns()
        for number in 0..<5000 as Range<UInt64> {
            let address = MACAddress(truncating: 0x5254_0000_0000 + number * 2)
            patterns.append(MACPattern(address: address, prefixLength: 48))
        }
        patterns.append(try #require(MACPattern("02:11:00:00:00:00/17")))
        #expect(patterns.count == 5001 && patterns.lookupsMax == 2)
        let seed = UInt64.random(in: 1 ... .max)
        var state = seed
        for _ in 0..<300 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            let high: UInt64 = state % 3 == 0 ? 0x0211_0000_0000 : 0x5254_0000_0000
            let address = MACAddress(truncating: high + (state >> 8) % 20_000)
            #expect(patterns.matches(address) == patterns.contains { $0.matches(address) }, "seed \(seed): \(address)")
        }
        #expect(MACPatterns([.all]).matches(MACAddress(truncating: 7)) && !MACPatterns().matches(.init(truncating: 7)))
    }

    private func hexadecimal(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

@Suite struct ImpositionTableTests {
    @Test("SEC-88 an imposition is the same after it was packed")
    func packing() {
        let address = MACAddress(truncating: 0x5254_00AB_CDEF)
        let all: [Imposition] = [
            .station(address), .untagged(nil), .untagged(address), .tagged(nil, 4094), .tagged(address, 4094),
            .tagged(address, 0), .rate(address), .forwarding(address, 1), .forwarding(address, 0), .member(4094),
            .untagged(MACAddress(truncating: 0)), .tagged(MACAddress(truncating: .max), 4095),
        ]
        #expect(all.map { PackedImposition($0).imposition } == all)
        #expect(Set(all.map { PackedImposition($0) }).count == all.count)
        #expect(MemoryLayout<PackedImposition>.stride == 8)
        var table = ImpositionTable()
        for (number, item) in all.enumerated() { table[item] = number % 2 == 0 ? .plain : .rate(UInt64(number)) }
        #expect(table.count == all.count && Set(table.keys) == Set(all))
        #expect(table[.rate(address)] == .plain && table[.untagged(nil)] == .rate(1))
        table[.rate(address)] = nil
        #expect(table[.rate(address)] == nil && table.count == all.count - 1)
    }

    @Test("SEC-88 claims that come and go in any order leave what a plain list of claims would")
    func randomClaims() {
        let seed = UInt64.random(in: 1 ... .max)
        var state = seed
        func dice(_ bound: UInt64) -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state % bound
        }
        var claims = PortClaims()
        // Claims in the order in which they were made.
        var model: [(token: ClaimToken, items: [Imposition: ImpositionValue])] = []
        for _ in 0..<2000 {
            let token = ClaimToken(number: dice(12))
            let place = model.firstIndex { $0.token == token }
            switch dice(4) {
            case 0: #expect(claims.remove(token) == Set(place.map { model.remove(at: $0).items.keys.map { $0 } } ?? []))
            case 1:
                let gone = claims.remove(token, atMost: 2)
                guard let place else {
                    #expect(gone.isEmpty)
                    continue
                }
                #expect(gone.count == min(2, model[place].items.count), "seed \(seed)")
                for item in gone { #expect(model[place].items.removeValue(forKey: item) != nil, "seed \(seed)") }
                if model[place].items.isEmpty { model.remove(at: place) }
            default:
                if let place { model.remove(at: place) }
                var items: [Imposition: ImpositionValue] = [.member(UInt16(dice(5))): .plain]
                for _ in 0..<dice(6) {
                    items[.untagged(MACAddress(truncating: dice(8)))] = .pass(dice(2) == 0 ? nil : [UInt16(dice(3))])
                }
                claims.set(token, items)
                model.append((token, items))
            }
            for number in 0..<8 as Range<UInt64> {
                let item = Imposition.untagged(MACAddress(truncating: number))
                let holder = model.last { $0.items[item] != nil }
                #expect(
                    claims.wanted(item) == holder?.items[item] && claims.holder(of: item) == holder?.token,
                    "seed \(seed)")
            }
            #expect(claims.contains(token) == model.contains { $0.token == token })
        }
    }
}
