// Which VSIs a list has. Read once from the request, so that a look at each of ten thousand VSIs costs little.

internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBWire

/// What is asked of a VSI beside its port and its state; all of it has to fit.
struct VSIQuery {
    private var selector: Selector?
    private var reason: EVBModel.VSIReason?
    private var typeID: UInt32?
    /// As an ID may stand first or last in its octets, either fits.
    private var managerIDs: [VSIManagerID]?
    private var mac: MACAddress?
    private var link: NamePattern?
    private var label: NamePattern?

    init() {}

    /// Reads what a client asks for.
    ///
    /// - Throws: `InvalidArgument` for a manager ID or a selector that cannot be read.
    init(_ request: ListVSIsRequest) throws(ControlError) {
        selector = try request.match.map { text throws(ControlError) in try Selector(VSISelector(text)) }
        reason = request.reason
        typeID = request.typeID.map { UInt32(clamping: $0) }
        mac = request.mac.flatMap { MACAddress($0) }
        link = request.link.map { NamePattern($0) }
        label = request.label.map { NamePattern($0) }
        if let text = request.managerID {
            let read = [VSIManagerID.Placement.first, .last].compactMap { VSIManagerID(text, placement: $0) }
            guard !read.isEmpty else {
                throw ControlError(
                    .invalidArgument(argument: "managerID"), message: "\(text) is no VSI manager ID",
                    hint: "give it as evbctl vsi show has it")
            }
            managerIDs = read
        }
    }

    /// Whether every VSI fits, so that none need be looked at.
    var fitsAll: Bool {
        selector == nil && reason == nil && typeID == nil && managerIDs == nil && mac == nil && link == nil
            && label == nil
    }

    func fits(_ vsiID: VSIID, _ traits: VSITraits) -> Bool {
        if let reason, traits.reason != reason { return false }
        if let typeID, traits.typeID != typeID { return false }
        if let managerIDs, !managerIDs.contains(traits.managerID) { return false }
        if let mac, !traits.filter.entries.contains(where: { $0.macAddress == mac }) { return false }
        if let link, !(traits.link.map(link.fits) ?? false) { return false }
        if let label, !(traits.label.map(label.fits) ?? false) { return false }
        return selector?.fits(vsiID, traits) ?? true
    }
}

extension VSIQuery {
    /// A ``VSISelector``, ready for comparison.
    struct Selector {
        private let digits: DigitPrefix?
        /// An ID in full, such as `ipv4:192.0.2.1`.
        private let whole: VSIID?
        private let mac: MACAddress?
        private let link: String?
        private let label: String?

        init(_ selector: VSISelector) throws(ControlError) {
            digits = selector.uuidDigits.map { DigitPrefix($0) }
            whole = selector.formattedID.flatMap { VSIID($0) }
            mac = selector.mac.flatMap { MACAddress($0) }
            link = selector.link
            label = selector.label
            if let problem = selector.problem {
                throw ControlError(
                    .invalidArgument(argument: "match"), message: problem, hint: VSISelector.rule)
            }
        }

        func fits(_ vsiID: VSIID, _ traits: VSITraits) -> Bool {
            if let digits, vsiID.format == .uuid, digits.fits(vsiID) { return true }
            if let mac, traits.filter.entries.contains(where: { $0.macAddress == mac }) { return true }
            if let link, traits.link == link { return true }
            if let label, traits.label == label { return true }
            return whole == vsiID
        }
    }

    /// The first digits of a UUID as two numbers.
    private struct DigitPrefix {
        private var value: (high: UInt64, low: UInt64) = (0, 0)
        private var mask: (high: UInt64, low: UInt64) = (0, 0)

        /// - Parameter digits: at most 32 hexadecimal digits.
        init(_ digits: String) {
            for (place, digit) in digits.prefix(32).enumerated() {
                let shift = UInt64(60 - 4 * (place % 16))
                let number = UInt64(digit.hexDigitValue ?? 0) << shift
                if place < 16 {
                    value.high |= number
                    mask.high |= 15 << shift
                } else {
                    value.low |= number
                    mask.low |= 15 << shift
                }
            }
        }

        func fits(_ vsiID: VSIID) -> Bool {
            vsiID.high & mask.high == value.high && vsiID.low & mask.low == value.low
        }
    }
}

/// A name in which `*` stands for any characters and `?` for one.
struct NamePattern {
    private let pattern: [UInt8]

    init(_ text: String) { pattern = Array(text.utf8) }

    /// The time is at most the product of both lengths: a star is tried again only while it is the last one met.
    func fits(_ name: String) -> Bool {
        let name = Array(name.utf8)
        var (at, place) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while place < name.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                star = (at, place)
                at += 1
            } else if at < pattern.count, pattern[at] == UInt8(ascii: "?") || pattern[at] == name[place] {
                at += 1
                place += 1
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                at = last.pattern + 1
                place = last.name + 1
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
