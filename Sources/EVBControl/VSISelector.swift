// How people name a VSI: by its VSIID, by the first digits of it, or by its link, a MAC address or its label.
// evbd compares (ListVSIs with `match`), in slices as any list; the client sees to it that only one is meant.

internal import EVBModel
internal import TerminalText

/// A text that names a VSI.
public struct VSISelector: Sendable, Equatable {
    /// The fewest digits of a UUID that name a VSI: fewer are more likely a slip.
    public static let leastDigits = 4
    /// The longest text in octets.
    public static let longestOctets = 300
    /// What may be given, as the remedy for a text that cannot be.
    public static let rule =
        "give a UUID or its first digits (at least \(leastDigits)), a VSIID after ipv4:, ipv6:, mac: or local:, a link, a MAC "
        + "address or a label; id=, link=, mac= or label= before it says which"

    /// The text as it was given.
    public let text: String
    /// The digits of a UUID, or the first of them, without dashes and in lower case.
    package private(set) var uuidDigits: String?
    /// A VSIID of another format, which is given in full, in lower case: `ipv4:192.0.2.1`.
    package private(set) var formattedID: String?
    /// In lower case.
    package private(set) var mac: String?
    package private(set) var link: String?
    package private(set) var label: String?
    /// Why the text names nothing.
    package private(set) var problem: String?

    /// Reads a text. Whatever it is, it may be a label.
    public init(_ text: String) {
        self.text = text
        let shown = printable(text, longest: 40)
        guard (1...Self.longestOctets).contains(text.utf8.count) else {
            problem = "\"\(shown)\" is \(text.isEmpty ? "empty" : "too long") and names no VSI"
            return
        }
        if let equals = text.firstIndex(of: "="), let key = Key(rawValue: String(text[..<equals])) {
            let value = String(text[text.index(after: equals)...])
            switch key {
            case .id: takeID(value)
            case .mac: takeMAC(value)
            case .link: link = value.isEmpty ? nil : value
            case .label: label = value.isEmpty ? nil : value
            }
            if uuidDigits == nil, formattedID == nil, mac == nil, link == nil, label == nil {
                problem = "\"\(shown)\" names no VSI"
            }
            return
        }
        takeID(text)
        takeMAC(text)
        link = text
        label = text
    }

    /// What may stand before an equals sign to say which name is meant.
    private enum Key: String { case id, mac, link, label }

    private mutating func takeID(_ text: String) {
        let lowered = text.lowercased()
        if ["ipv4:", "ipv6:", "mac:", "local:"].contains(where: lowered.hasPrefix) {
            formattedID = lowered
            return
        }
        let id = lowered.hasPrefix("uuid:") ? String(lowered.dropFirst(5)) : lowered
        let digits = id.filter { $0 != "-" }
        guard (Self.leastDigits...32).contains(digits.utf8.count), digits.utf8.allSatisfy(Self.isDigit),
            Self.hasDashesInPlace(id)
        else { return }
        uuidDigits = digits
    }

    private mutating func takeMAC(_ text: String) {
        if VSIFilter.isMAC(text) { mac = text.lowercased() }
    }

    private static func isDigit(_ octet: UInt8) -> Bool {
        (0x30...0x39).contains(octet) || (0x61...0x66).contains(octet)
    }

    /// No dashes at all, or those of a UUID as far as the text goes.
    private static func hasDashesInPlace(_ text: String) -> Bool {
        guard text.contains("-") else { return true }
        return text.utf8.enumerated().allSatisfy { place, octet in
            (octet == UInt8(ascii: "-")) == [8, 13, 18, 23].contains(place)
        }
    }

    /// The VSIID, where the text is one in full: it can mean no other VSI.
    public var wholeID: String? {
        guard uuidDigits?.utf8.count == 32 || formattedID != nil else { return nil }
        return text.hasPrefix("id=") ? String(text.dropFirst(3)) : text
    }

    /// Whether the text is all of a name of this VSI, and not the beginning of its VSIID.
    func isFullName(of vsi: VSIStatus) -> Bool {
        let id = vsi.vsiID.lowercased()
        return id.filter { $0 != "-" } == uuidDigits || (link != nil && vsi.link?.name == link)
            || (label != nil && vsi.label == label)
            || (mac != nil && vsi.filters.contains { $0.mac == mac })
    }
}
