internal import EVBLog
internal import EVBWire
internal import JSON
internal import LinuxSystem
internal import Logging

/// Which S-tags the channels of an uplink had, for the next run of evbd: traffic goes on with them until the neighbour has spoken,
/// and they are asked for again.
struct ChannelMemory {
    struct Content: Equatable {
        var pairs: [SCID: SVID] = [:]
        /// Whose channels they are, in a bridge.
        var station: LLDPIdentifier?
    }

    /// A file, as it is written.
    private struct Document: Codable {
        struct Station: Codable {
            var subtype: UInt8
            /// In hexadecimal digits.
            var value: String
        }

        var pairs: [[UInt16]]
        var station: Station?
    }

    /// Octets of the longest file: 167 pairs are some 2,000.
    private static let lengthMax = 1 << 14

    private let path: String
    private let logger: Logger
    private(set) var content: Content

    /// Reads what an earlier run has kept. A file that cannot be read is as none.
    init(directory: String, interface: String, logger: Logger) {
        path = "\(directory)/\(interface).channels"
        self.logger = logger
        content = Content()
        guard let octets = try? Files.read(path, limit: Self.lengthMax) else { return }
        let isOurs = (try? Files.status(path).isOurs(.regular)) ?? false
        guard isOurs, let json = try? JSONValue(parsing: octets),
            let document = try? JSONCoding.decode(Document.self, from: json)
        else {
            logger.alert(.stateNotStored).warning(
                "what is kept of S-channels cannot be used; they are asked for as new ones",
                metadata: ["file": "\(path)"])
            return
        }
        for pair in document.pairs where pair.count == 2 {
            let (scid, svid) = (SCID(pair[0]), SVID(pair[1]))
            if scid > .default, svid.isAssignable { content.pairs[scid] = svid }
        }
        content.station = document.station.flatMap { station in
            Self.octets(station.value).map { LLDPIdentifier(subtype: station.subtype, octets: $0) }
        }
    }

    /// Keeps what is so now.
    mutating func keep(_ content: Content) {
        guard content != self.content else { return }
        self.content = content
        let document = Document(
            pairs: content.pairs.sorted { $0.key < $1.key }.map { [$0.key.rawValue, $0.value.rawValue] },
            station: content.station.map { Document.Station(subtype: $0.subtype, value: Self.hexadecimal($0.octets)) })
        do {
            try Files.writeAtomically(path, JSONCoding.encode(document), mode: 0o600)
        } catch {
            logger.alert(.stateNotStored).warning(
                "S-tags of channels cannot be kept; after a restart they are asked for as new ones",
                metadata: ["error": "\(error)"])
        }
    }

    /// The uplink is divided no longer.
    mutating func forget() {
        content = Content()
        _ = try? Files.unlink(path)
    }

    private static func hexadecimal(_ octets: [UInt8]) -> String {
        octets.map { octet in (octet < 16 ? "0" : "") + String(octet, radix: 16) }.joined()
    }

    private static func octets(_ digits: String) -> [UInt8]? {
        let digits = Array(digits.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var octets: [UInt8] = []
        for at in stride(from: 0, to: digits.count, by: 2) {
            guard let octet = UInt8(String(decoding: digits[at...at + 1], as: UTF8.self), radix: 16) else { return nil }
            octets.append(octet)
        }
        return octets
    }
}
