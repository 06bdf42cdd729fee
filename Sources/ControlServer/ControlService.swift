// What the control server asks of the daemon: one call with a typed request, answered at once or later.

package import EVBControl
package import EVBModel
package import JSON

/// A call to io.evbd that has been read and checked.
package enum ControlRequest: Sendable, Equatable {
    /// Answer with ``ControlReply/version(_:)``.
    case getVersion
    /// Answer with ``ControlReply/status(_:)``.
    case getStatus
    /// Answer with ``ControlReply/ports(_:)``.
    case listPorts
    /// Answer with ``ControlReply/port(_:)``.
    case getPort(interface: String)
    /// Answer by ``ControlReplyHandle/answer(vsis:)``.
    case listVSIs(ListVSIsRequest)
    /// Answer by ``ControlReplyHandle/answer(lookingAtDetails:)``.
    case listVSIDetails(port: String?)
    /// Answer with ``ControlReply/vsiDetails(_:)``.
    case getVSI(vsiID: String, port: String?)
    /// Answer with ``ControlReply/vsi(_:)``, within the wait that the request gives.
    case associate(VSIRequest)
    /// As ``associate(_:)``; the request tells whether to reserve.
    case preAssociate(VSIRequest)
    /// Answer with ``ControlReply/vsi(_:)``, within the wait that the request gives.
    case deassociate(DeassociateRequest)
    /// As ``deassociate(_:)``.
    case retry(RetryRequest)
    /// Answer with ``ControlReply/retried(_:)``.
    case retryAll(RetryAllRequest)
    /// Answer with ``ControlReply/portStatus(_:)``.
    case drain(DrainRequest)
    /// Answer with ``ControlReply/portStatus(_:)``.
    case endDrain(EndDrainRequest)
    /// Answer with ``ControlReply/probe(_:)``.
    case probe(ProbeRequest)
    /// Answer with ``ControlReply/histories(_:)``.
    case getHistory(GetHistoryRequest)
    /// Keep the handle, and ``ControlReplyHandle/send(_:)`` every event until it is gone.
    case monitor
    /// Answer with ``ControlReply/statistics(_:)``.
    case getStatistics(interface: String?)
    /// Answer by ``ControlReplyHandle/answer(metrics:)``.
    case getMetrics(vsis: Bool)
    /// Answer with ``ControlReply/port(_:)``.
    case misbehave(MisbehaveRequest)
    /// Answer with ``ControlReply/reload(_:)``.
    case reload(ReloadRequest)
    /// Answer with ``ControlReply/configuration(_:)``.
    case getConfiguration(GetConfigurationRequest)
    /// Answer with ``ControlReply/typeServers(_:)``.
    case fetchTypes
    /// ``ControlReplyHandle/stream(_:)`` what is captured until it is gone.
    case capture(CaptureRequest)
    /// Answer with ``ControlReply/logLevel(_:)``.
    case getLogLevel
    /// Answer with ``ControlReply/logLevel(_:)``; for root alone.
    case setLogLevel(SetLogLevelRequest)
}

/// An answer to a request, other than a list of VSIs or an event.
package enum ControlReply: Sendable, Equatable {
    case version(VersionReport)
    case status(StatusReport)
    case ports([PortStatus])
    case port(PortDetails)
    case vsi(VSIStatus)
    case vsiDetails(VSIDetails)
    case retried(RetryReport)
    case histories([VSIHistory])
    case portStatus(PortStatus)
    case probe(ProbeReport)
    case statistics([StatisticsReport])
    case reload(ReloadReport)
    case configuration(ConfigurationReport)
    case logLevel(LogLevelReport)
    case typeServers([TypeServerStatus])
}

/// What does the work behind the control socket.
///
/// Called on the thread of the loop. It must not block: what takes time keeps the handle and answers later.
package protocol ControlService: AnyObject {
    /// Does what a request asks, or sees to it that it is done.
    ///
    /// - Parameters:
    ///   - request: what is asked.
    ///   - peer: who asks, as the kernel said when the client connected.
    ///   - reply: where the answer goes, now or later; it has to be answered or failed in the end.
    func handle(_ request: ControlRequest, from peer: PeerCredentials, reply: ControlReplyHandle)
}

extension ControlRequest {
    /// Reads a request from the parameters of a call.
    ///
    /// - Throws: DecodingError with the place of what does not fit.
    package init(_ method: ControlMethod, _ parameters: JSONValue) throws {
        func read<Value: Decodable>(_ type: Value.Type) throws -> Value {
            try JSONCoding.decode(type, from: parameters)
        }
        func readNothing(_ request: ControlRequest) throws -> ControlRequest {
            _ = try read(NoParameters.self)
            return request
        }
        switch method {
        case .getVersion: self = try readNothing(.getVersion)
        case .getStatus: self = try readNothing(.getStatus)
        case .listPorts: self = try readNothing(.listPorts)
        case .monitor: self = try readNothing(.monitor)
        case .getMetrics: self = .getMetrics(vsis: try read(GetMetricsRequest.self).vsis)
        case .getPort: self = .getPort(interface: try read(GetPortRequest.self).interface)
        case .listVSIs: self = .listVSIs(try read(ListVSIsRequest.self))
        case .listVSIDetails: self = .listVSIDetails(port: try read(ListVSIDetailsRequest.self).port)
        case .getVSI:
            let request = try read(GetVSIRequest.self)
            self = .getVSI(vsiID: request.vsiID, port: request.port)
        case .associate:
            // Associate has no key `reserve`, whatever its value.
            guard parameters["reserve"] == nil else { throw VSIRequest.unknownKey("reserve") }
            self = .associate(try read(VSIRequest.self))
        case .preAssociate: self = .preAssociate(try read(VSIRequest.self))
        case .deassociate: self = .deassociate(try read(DeassociateRequest.self))
        case .retry: self = .retry(try read(RetryRequest.self))
        case .drain: self = .drain(try read(DrainRequest.self))
        case .endDrain: self = .endDrain(try read(EndDrainRequest.self))
        case .probe: self = .probe(try read(ProbeRequest.self))
        case .getHistory: self = .getHistory(try read(GetHistoryRequest.self))
        case .retryAll: self = .retryAll(try read(RetryAllRequest.self))
        case .getStatistics:
            self = .getStatistics(interface: try read(GetStatisticsRequest.self).interface)
        case .misbehave: self = .misbehave(try read(MisbehaveRequest.self))
        case .reload: self = .reload(try read(ReloadRequest.self))
        case .getConfiguration: self = .getConfiguration(try read(GetConfigurationRequest.self))
        case .fetchTypes: self = try readNothing(.fetchTypes)
        case .capture: self = .capture(try read(CaptureRequest.self))
        case .getLogLevel: self = try readNothing(.getLogLevel)
        case .setLogLevel: self = .setLogLevel(try read(SetLogLevelRequest.self))
        }
    }
}
