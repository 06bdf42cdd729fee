import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension SplitMix64 {
    /// Whether something happens that does so in `percent` of a hundred cases.
    mutating func chance(_ percent: UInt64) -> Bool { next() % 100 < percent }

    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }
}

/// What the environment says.
enum Environment {
    static func value(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// The seed of a random test: EVBD_SEED, or one of its own; printed so that a failure can be had again.
    static func seed(_ test: String, otherwise seed: UInt64) -> UInt64 {
        let chosen = value("EVBD_SEED").flatMap { UInt64($0) } ?? seed
        print("\(test): EVBD_SEED=\(chosen)")
        return chosen
    }
}

/// Text kept beside the tests, compared with what the code gives now.
enum Snapshot {
    static func path(_ name: String, from file: String = #filePath) -> String {
        let folder = file[..<(file.lastIndex(of: "/") ?? file.startIndex)]
        return "\(folder)/Snapshots/\(name)"
    }

    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var octets: [UInt8] = []
        while true {
            let octet = getc(file)
            guard octet >= 0 else { break }
            octets.append(UInt8(truncatingIfNeeded: octet))
        }
        return String(decoding: octets, as: UTF8.self)
    }

    static func write(_ text: String, to path: String) -> Bool {
        guard let file = fopen(path, "w") else { return false }
        defer { fclose(file) }
        return fputs(text, file) >= 0
    }

    /// Compares `text` with the file, or with EVBD_UPDATE_SNAPSHOTS=1 rewrites the file and fails to say so.
    static func expect(_ text: String, matches name: String) {
        let path = path(name)
        if Environment.value("EVBD_UPDATE_SNAPSHOTS") == "1" {
            let isWritten = write(text, to: path)
            Issue.record("\(name) was \(isWritten ? "rewritten" : "not writable"); see what has changed and run again")
            return
        }
        guard let kept = read(path) else {
            Issue.record("\(path) is missing; EVBD_UPDATE_SNAPSHOTS=1 writes it")
            return
        }
        let (now, then) = (lines(text), lines(kept))
        for (number, pair) in zip(now, then).enumerated() where pair.0 != pair.1 {
            Issue.record("\(name):\(number + 1)\n  was \(pair.1)\n  is  \(pair.0)")
        }
        #expect(now.count == then.count)
    }

    private static func lines(_ text: String) -> [Substring] {
        text.split(separator: "\n", omittingEmptySubsequences: false)
    }
}

extension Interval {
    static func microseconds(_ count: UInt64) -> Interval { Interval(nanoseconds: count * 1000) }

    /// Seconds, as people write them.
    var text: String {
        let (whole, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
        guard rest > 0 else { return "\(whole) s" }
        var digits = String(rest + 1_000_000_000).dropFirst()
        while digits.hasSuffix("0") { digits = digits.dropLast() }
        return "\(whole).\(digits) s"
    }
}

extension Instant {
    static let origin = Instant(nanoseconds: 0)

    static func seconds(_ count: UInt64) -> Instant { origin + .seconds(count) }

    static func milliseconds(_ count: UInt64) -> Instant { origin + .milliseconds(count) }

    var text: String { since(.origin).text }
}

extension VSIID {
    /// The VSI of a number, in tests.
    static func number(_ number: UInt64) -> VSIID {
        VSIID(format: .uuid, high: 0xB000_0000_0000_4000, low: 0x8000_0000_0000_0000 | number)
    }

    var testName: String { "vsi \(low & 0xFFFF_FFFF)" }
}

extension FilterInfo {
    /// A filter of VIDs alone.
    static func vids(_ vids: UInt16...) throws -> FilterInfo {
        try FilterInfo(checking: vids.map { FilterEntry(vid: $0) })
    }

    /// A filter that no manager may ask for but a bridge may answer with: entries of format 1, unchecked.
    static func unchecked(_ words: [UInt16]) throws -> FilterInfo {
        let octets: [UInt8] = [1, 0, UInt8(words.count)] + words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        return try octets.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            return try FilterInfo(from: &reader)
        }
    }

    var vids: [UInt16] { entries.map(\.vid) }
}

extension VSIRequest {
    /// A request for the VSI of a number, VLAN 100 unless told.
    static func vsi(
        _ number: UInt64, _ target: Target = .associated, vids: [UInt16] = [100], groupID: UInt32? = nil,
        manager: UInt8 = 5, typeID: UInt32 = 0x1234, hint: Hint = .none, persistence: Persistence = .untilWithdrawn
    ) throws -> VSIRequest {
        VSIRequest(
            vsiID: .number(number), target: target, managerID: VSIManagerID(short: manager, placement: .first),
            typeID: typeID, typeVersion: 1,
            filter: try FilterInfo(checking: vids.map { FilterEntry(vid: $0, groupID: groupID) }), hint: hint,
            persistence: persistence)
    }
}

extension MACAddress {
    static let station = MACAddress(truncating: 0x5254_0000_0001)
    static let bridge = MACAddress(truncating: 0x0200_0000_00B1)
}

extension StationPortConfiguration {
    static func test(
        timers: OperationalTimers = OperationalTimers(), relay: Bool = true, groupIDs: Bool = true,
        isManual: Bool = false, mtu: Int = 1500, dialect: StationPortConfiguration.Dialect = .automatic
    ) -> StationPortConfiguration {
        StationPortConfiguration(
            address: .station, interfaceName: "eth0", mtu: mtu,
            evb: EVBStationNegotiation.Configuration(
                timers: timers, requestsReflectiveRelay: relay, groupIDs: groupIDs, isManual: isManual),
            dialect: dialect)
    }
}
