// Parameters that more than one method has.

public import JSON

/// The parameters of what is done with one VSI, and waits for the bridge.
public struct VSIActionRequest: Codable, Sendable, Equatable {
    /// The VSIID, as in ``VSIRequest``.
    public var vsiID: String
    /// The port; nil for wherever the VSI is.
    @Nullable public var port: String?
    /// How long to wait for the bridge, in milliseconds, 0 to 3600000; 0 answers at once.
    public var waitMilliseconds: Int

    /// Makes a request.
    public init(vsiID: String, port: String? = nil, waitMilliseconds: Int = 0) {
        self.vsiID = vsiID
        self._port = Nullable(wrappedValue: port)
        self.waitMilliseconds = waitMilliseconds
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case vsiID, port
        case waitMilliseconds = "wait"
    }

    /// Reads a request and checks every range.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        vsiID = try container.name(.vsiID, longest: 64)
        _port = try container.interfaceOrNull(.port)
        waitMilliseconds = try container.wait(.waitMilliseconds)
    }
}

/// The parameters of Deassociate.
public typealias DeassociateRequest = VSIActionRequest
/// The parameters of Retry.
public typealias RetryRequest = VSIActionRequest

/// The parameters of what is done with the VSIs of a port, or with all.
public struct PortFilterRequest: Codable, Sendable, Equatable {
    /// Only those on a port.
    @Nullable public var port: String?

    /// Makes a request.
    public init(port: String? = nil) {
        self._port = Nullable(wrappedValue: port)
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case port
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        _port = try decoder.container(keyedBy: CodingKeys.self).interfaceOrNull(.port)
    }
}

/// The parameters of ListVSIDetails.
public typealias ListVSIDetailsRequest = PortFilterRequest
/// The parameters of RetryAll.
public typealias RetryAllRequest = PortFilterRequest
