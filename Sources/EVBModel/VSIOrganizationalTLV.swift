// An organizationally specific TLV in a request for a VSI.

/// An organizationally specific TLV (802.1Q 41.3) that goes along with a request for a VSI.
public struct VSIOrganizationalTLV: Codable, Sendable, Equatable {
    /// The most octets after the OUI.
    public static let maximumOctets = 508

    /// The organization, six hexadecimal digits such as `00000c`.
    public var oui: String
    /// What follows, in hexadecimal digits, at most ``maximumOctets`` octets.
    public var data: String

    /// Makes a TLV; the server checks the digits of what a client sends.
    public init(oui: String, data: String) {
        self.oui = oui
        self.data = data
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case oui, data
    }

    /// The OUI's octets; nil where the digits are none.
    public var ouiOctets: [UInt8]? { Self.octets(oui) }

    /// The octets that follow; nil where the digits are none.
    public var dataOctets: [UInt8]? { Self.octets(data) }

    private static func octets(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0 else { return nil }
        var octets: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            let pair = digits[index...index + 1]
            guard pair.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let octet = UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
            else { return nil }
            octets.append(octet)
        }
        return octets
    }
}
