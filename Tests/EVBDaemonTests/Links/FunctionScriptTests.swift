import EVBTime
import EVBWire
import LinuxSystem
import Netlink
import Testing

@testable import EdgeRelays

#if canImport(Glibc)
    import Glibc
#endif

extension SplitMix64 {
    fileprivate mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    fileprivate mutating func chance(_ thousandths: Int) -> Bool { below(1000) < thousandths }
    fileprivate mutating func flag() -> Bool { next() & 1 == 1 }
}

/// What a card is asked to set in random lives of VSIs, as it was before one machine had all kinds of links
/// (`Snapshots/VirtualFunctions.txt`; EVBD_UPDATE_SNAPSHOTS=1 writes it). EVBD_SEED and EVBD_CASES print other lives.
@Suite struct FunctionScriptTests {
    private static func number(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

    /// A life of three VSIs at one port: each has one function, or wants that of another in its place.
    private final class Life {
        let bench: FunctionBench
        var random: SplitMix64
        /// What has become of each VSI, by its number.
        var lines: [[String]] = [[], [], []]
        var isPortThere = true
        var isWanted = [false, false, false]

        init(seed: UInt64) throws {
            random = SplitMix64(seed: seed)
            bench = try FunctionBench()
            // No attempt comes by itself.
            bench.relay.pause = { _ in .seconds(3600) }
            bench.card.state.withLock { state in
                state.refuses = { function, number in
                    var random = SplitMix64(seed: seed ^ UInt64(function) << 32 ^ UInt64(number) << 40)
                    return random.chance(seed % 3 == 0 ? 0 : 150)
                }
            }
        }

        private func vsi(_ number: Int) -> VSIID { VSIID(format: .local, high: 0, low: UInt64(number) + 1) }

        private func demand(_ number: Int) -> EdgeRelay.Demand {
            .function(
                VirtualFunctions.Demand(
                    number: UInt32(number), address: MACAddress(truncating: 0x5254_0000_0001 + UInt64(number)),
                    priority: number == 1 ? 5 : nil))
        }

        func run(_ steps: Int) throws -> String {
            for _ in 0..<steps {
                act()
                if random.flag() { try settle() }
            }
            for number in 0..<3 { remove(number) }
            try settle()
            for number in 0..<3 { lines[number].append("empty \(bench.relay.isEmpty)") }
            bench.end()
            return lines.enumerated().map { "vsi \($0.offset)\n" + $0.element.map { "  \($0)\n" }.joined() }.joined()
        }

        private func act() {
            let number = random.below(3)
            let vlan: UInt16? = random.flag() ? nil : UInt16(100 + random.below(2))
            switch random.below(12) {
            case 0...4: raise(number, vlan)
            case 5, 6:
                lines[number].append("cut")
                // Who has given a VSI up does not cut it any more.
                if isWanted[number] { bench.relay.cut(vsi(number)) }
            case 7: remove(number)
            case 8: changePolicy()
            case 9 where random.chance(300):
                isPortThere.toggle()
                for number in 0..<3 { lines[number].append("port \(isPortThere)") }
                bench.setPort(isThere: isPortThere)
            default:
                let other = random.below(3)
                lines[number].append(
                    "conflict over vf:\(other): \(bench.relay.conflict(demand(other), for: vsi(number)) ?? "-")")
            }
        }

        private func raise(_ number: Int, _ vlan: UInt16?) {
            isWanted[number] = true
            lines[number].append("raise \(vlan.map { "in VLAN \($0)" } ?? "untagged")")
            bench.relay.raise(vsi(number), demand(number), vid: vlan) { [weak self] in self?.ended("raised", number, $0)
            }
        }

        private func remove(_ number: Int) {
            isWanted[number] = false
            lines[number].append("remove")
            bench.relay.remove(vsi(number)) { [weak self] in self?.ended("removed", number, $0) }
        }

        private func ended(_ word: String, _ number: Int, _ result: Result<Void, NetlinkError>) {
            if case .failure(let error) = result {
                lines[number].append("\(word): \(error)")
            } else {
                lines[number].append(word)
            }
        }

        private func changePolicy() {
            let (isHeld, hasGate) = (random.flag(), !random.chance(300))
            for number in 0..<3 { lines[number].append("held \(isHeld), gate \(hasGate)") }
            bench.change(isReflected: !isHeld) {
                $0.fallback = .hold
                $0.gate = hasGate ? .down : .none
            }
        }

        private func settle() throws {
            try bench.settle()
            let taken = bench.card.take()
            for number in 0..<3 {
                for settings in taken where settings.number == UInt32(number) { lines[number].append(text(settings)) }
                let link = bench.relay.link(of: vsi(number))
                lines[number].append("settled, link \(link?.name ?? "-")")
            }
        }

        private func text(_ settings: VirtualFunctionSettings) -> String {
            var parts = ["vf \(settings.number)"]
            if let address = settings.address { parts.append("mac \(address)") }
            if let vlan = settings.vlan { parts.append("vlan \(vlan) qos \(settings.priority)") }
            if let check = settings.spoofCheck { parts.append("spoofchk \(check ? "on" : "off")") }
            if let state = settings.linkState { parts.append("state \(state)") }
            return parts.joined(separator: " ")
        }
    }

    @Test("A card is asked for the same as before, in random lives of VSIs")
    func lives() throws {
        let first = Self.number("EVBD_SEED") ?? 5
        var text = ""
        for seed in first..<first + (Self.number("EVBD_CASES") ?? 6) {
            text += "# seed \(seed)\n"
            text += try Life(seed: seed).run(60)
        }
        if let path = getenv("EVBD_LIVES").map({ String(cString: $0) }) {
            return try write(text, to: path)
        }
        try compare(text)
    }

    private func compare(_ text: String) throws {
        let folder = #filePath[..<(#filePath.lastIndex(of: "/") ?? #filePath.startIndex)]
        let path = "\(folder)/Snapshots/VirtualFunctions.txt"
        if getenv("EVBD_UPDATE_SNAPSHOTS").map({ String(cString: $0) }) == "1" {
            try write(text, to: path)
            Issue.record("VirtualFunctions.txt was rewritten; see what has changed and run again")
            return
        }
        let kept = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
        let (now, then) = (text.split(separator: "\n"), kept.split(separator: "\n"))
        for (number, pair) in zip(now, then).enumerated() where pair.0 != pair.1 {
            Issue.record("VirtualFunctions.txt:\(number + 1)\n  was \(pair.1)\n  is  \(pair.0)")
            break
        }
        #expect(now.count == then.count)
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }
}
