// What Monitor streams.

public import JSON

/// Something that happened, as `evbctl monitor` shows it on one line.
public struct ControlEvent: Codable, Sendable, Equatable {
    /// What an event is about.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A VSI changed its state, or a bridge port has refused to change it; `from` and `to` are states.
        case vsi
        /// The bridge's answer to reflective relay changed; `from` and `to` are grants.
        case reflectiveRelay = "reflective-relay"
        /// An EVB peer was heard, changed or was lost.
        case peer
        /// A link went up or down; `from` and `to` are `up` and `down`.
        case link
        /// A port was added or removed.
        case port
        /// Anything else that an operator should see.
        case notice
    }

    /// When it happened, in milliseconds since 1970 (UTC).
    public var timeMilliseconds: Int
    /// What it is about.
    public var kind: Kind
    /// The port, if it concerns one.
    @Nullable public var port: String?
    /// The VSI, if it concerns one.
    @Nullable public var vsiID: String?
    /// What was, in the vocabulary of the kind.
    @Nullable public var from: String?
    /// What is, in the vocabulary of the kind.
    @Nullable public var to: String?
    /// Why, if the bridge or the daemon knows; one of ``VSIReason`` for VSIs, or `station-lost` on a bridge port.
    @Nullable public var reason: String?
    /// A sentence for people.
    public var message: String

    /// Makes an event.
    public init(
        timeMilliseconds: Int, kind: Kind, port: String? = nil, vsiID: String? = nil, from: String? = nil,
        to: String? = nil, reason: String? = nil, message: String
    ) {
        self.timeMilliseconds = timeMilliseconds
        self.kind = kind
        self._port = Nullable(wrappedValue: port)
        self._vsiID = Nullable(wrappedValue: vsiID)
        self._from = Nullable(wrappedValue: from)
        self._to = Nullable(wrappedValue: to)
        self._reason = Nullable(wrappedValue: reason)
        self.message = message
    }
}
