// How a bridge port misbehaves on purpose, for those who test stations. Keys as in the configuration's `misbehave`.

public import JSON

/// What a bridge port does wrong, because somebody told it to. Nothing by default.
public struct Misbehaviour: Codable, Sendable, Equatable {
    /// The reasons that a bridge can refuse with.
    public enum Reason: String, Codable, Sendable, CaseIterable {
        case invalidFormat = "invalid-format"
        case insufficientResources = "insufficient-resources"
        case managerUnreachable = "manager-unreachable"
        case otherFailure = "other-failure"
        case invalidVIDGroupMAC = "invalid-vid-group-mac"
        /// A code that the standard has not given to any reason.
        case reserved

        /// The four bits on the wire.
        public var code: UInt8 {
            switch self {
            case .invalidFormat: 1
            case .insufficientResources: 2
            case .managerUnreachable: 3
            case .otherFailure: 4
            case .invalidVIDGroupMAC: 5
            case .reserved: 9
            }
        }
    }

    /// What is not answered.
    public enum Silence: String, Codable, Sendable, CaseIterable {
        /// Requests are acknowledged and come to nothing.
        case answers
        /// Requests are not even acknowledged.
        case all
    }

    /// The bounds of the numbers.
    public static let countRange = 1...1_000_000
    public static let delayRange = 1...600_000
    public static let percentRange = 1...100
    public static let vlanRange = 1...4094
    public static let secondsRange = 1...86_400

    /// Refuses whatever is asked, keep-alives too, with this reason.
    @Nullable public var refuse: Reason?
    /// The refusals say that asking again will not help.
    public var hard: Bool
    /// The refusals say that the VSI stays as it was, also where there was nothing.
    public var keep: Bool
    /// How many answers are refusals, ``countRange``; nil for all.
    @Nullable public var refuseCount: Int?
    /// The one VSI that is refused; nil for all.
    @Nullable public var vsiID: String?
    /// Answers come this much later, in milliseconds, ``delayRange``; acknowledgements do not.
    @Nullable public var delay: Int?
    /// Says nothing to requests.
    @Nullable public var silent: Silence?
    /// How many acknowledgements are not sent, ``countRange``.
    @Nullable public var dropAcks: Int?
    /// How many of a hundred acknowledgements are not sent, ``percentRange``; not together with `dropAcks`.
    @Nullable public var dropAcksPercent: Int?
    /// Grants this VLAN, ``vlanRange``, whatever was asked for.
    @Nullable public var vlan: Int?
    /// Takes all VSIs back, unasked, every so many seconds, ``secondsRange``.
    @Nullable public var deassociateEvery: Int?

    /// Makes a misbehaviour; the bounds are checked where one is read.
    public init(
        refuse: Reason? = nil, hard: Bool = false, keep: Bool = false, refuseCount: Int? = nil, vsiID: String? = nil,
        delay: Int? = nil, silent: Silence? = nil, dropAcks: Int? = nil, dropAcksPercent: Int? = nil,
        vlan: Int? = nil, deassociateEvery: Int? = nil
    ) {
        self._refuse = Nullable(wrappedValue: refuse)
        self.hard = hard
        self.keep = keep
        self._refuseCount = Nullable(wrappedValue: refuseCount)
        self._vsiID = Nullable(wrappedValue: vsiID)
        self._delay = Nullable(wrappedValue: delay)
        self._silent = Nullable(wrappedValue: silent)
        self._dropAcks = Nullable(wrappedValue: dropAcks)
        self._dropAcksPercent = Nullable(wrappedValue: dropAcksPercent)
        self._vlan = Nullable(wrappedValue: vlan)
        self._deassociateEvery = Nullable(wrappedValue: deassociateEvery)
    }

    /// Behaves.
    public static let none = Misbehaviour()

    /// What it does, as the rest of a sentence.
    public var summary: String {
        var deeds: [String] = []
        if let refuse {
            let flags = [hard ? "hard" : nil, keep ? "kept" : nil].compactMap(\.self).joined(separator: ", ")
            let what = refuseCount.map { "the next \($0) answers" } ?? "everything"
            deeds.append(
                "refuses \(what)\(vsiID.map { " for \($0)" } ?? "") as \(refuse.rawValue)"
                    + (flags.isEmpty ? "" : " (\(flags))"))
        }
        if let delay { deeds.append("answers \(delay) ms late") }
        switch silent {
        case .answers: deeds.append("answers nothing")
        case .all: deeds.append("acknowledges and answers nothing")
        case nil: break
        }
        if let dropAcks { deeds.append("drops the next \(dropAcks) acknowledgements") }
        if let dropAcksPercent { deeds.append("drops \(dropAcksPercent) % of its acknowledgements") }
        if let vlan { deeds.append("grants VLAN \(vlan) whatever is asked for") }
        if let deassociateEvery { deeds.append("takes all VSIs back every \(deassociateEvery) s") }
        return deeds.isEmpty ? "behaves" : deeds.joined(separator: ", ")
    }

    /// Why the settings make no sense together, with the key that is to blame; nil where they do.
    public var contradiction: (key: String, problem: String)? {
        if refuse == nil {
            if hard { return ("hard", "needs refuse") }
            if keep { return ("keep", "needs refuse") }
            if refuseCount != nil { return ("refuseCount", "needs refuse") }
            if vsiID != nil { return ("vsiID", "needs refuse") }
        }
        if dropAcks != nil, dropAcksPercent != nil { return ("dropAcksPercent", "cannot be combined with dropAcks") }
        if silent != nil, delay != nil { return ("delay", "cannot be combined with silent") }
        return nil
    }
}

extension Misbehaviour {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case refuse, hard, keep, refuseCount, vsiID, delay, silent, dropAcks, dropAcksPercent, vlan, deassociateEvery
    }

    /// Reads a misbehaviour and checks every range.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func number(_ key: CodingKeys, _ range: ClosedRange<Int>) throws -> Int? {
            let value = try container.decodeIfPresent(Int.self, forKey: key)
            guard let value, !range.contains(value) else { return value }
            throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "out of range")
        }
        self.init(
            refuse: try container.decodeIfPresent(Reason.self, forKey: .refuse),
            hard: try container.decodeIfPresent(Bool.self, forKey: .hard) ?? false,
            keep: try container.decodeIfPresent(Bool.self, forKey: .keep) ?? false,
            refuseCount: try number(.refuseCount, Self.countRange),
            vsiID: try container.decodeIfPresent(String.self, forKey: .vsiID),
            delay: try number(.delay, Self.delayRange),
            silent: try container.decodeIfPresent(Silence.self, forKey: .silent),
            dropAcks: try number(.dropAcks, Self.countRange),
            dropAcksPercent: try number(.dropAcksPercent, Self.percentRange), vlan: try number(.vlan, Self.vlanRange),
            deassociateEvery: try number(.deassociateEvery, Self.secondsRange))
        if let contradiction, let key = CodingKeys(stringValue: contradiction.key) {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: container, debugDescription: contradiction.problem)
        }
    }
}
