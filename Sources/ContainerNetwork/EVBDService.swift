package import EVBControl
package import EVBModel
internal import Glibc
internal import JSON

/// evbd by its control socket, with a little patience for one that is being restarted.
package final class EVBDService: VSIService {
    /// How long evbd may take to be there again.
    private static let restartSeconds = 10
    private static let answerMilliseconds = 10_000

    private let socket: String
    private var client: ControlClient?
    /// False when an evbd that is gone has been waited for in vain: what is asked next does not wait again.
    private var isPatient = true

    package init(socket: String) { self.socket = socket }

    package func ports() throws(CNIError) -> [PortStatus] {
        try call(.listPorts, NoParameters()).value("ports", as: [PortStatus].self).filter { $0.role == .station }
    }

    package func associate(_ request: VSIRequest) throws(CNIError) {
        _ = try call(.associate, request, milliseconds: request.waitMilliseconds + Self.answerMilliseconds)
    }

    package func end(_ vsiID: String) throws(CNIError) {
        do {
            // The switch's word is not waited for: traffic is cut at once, and evbd goes on releasing the VSI.
            _ = try ask(.deassociate, DeassociateRequest(vsiID: vsiID))
        } catch .refused(let error) {
            if case .noSuchVSI = error.failure { return }
            throw Self.words(.refused(error))
        } catch {
            throw Self.words(error)
        }
    }

    package func vsi(_ vsiID: String) throws(CNIError) -> VSIStatus? {
        try vsis().first { $0.vsiID.lowercased() == vsiID }
    }

    package func vsiIDs() throws(CNIError) -> [String] { try vsis().map { $0.vsiID.lowercased() } }

    private func vsis() throws(CNIError) -> [VSIStatus] {
        try call(.listVSIs, ListVSIsRequest()).value("vsis", as: [VSIStatus].self)
    }

    // MARK: Calls

    private struct Answer {
        let answer: ControlAnswer

        func value<Value: Decodable>(_ key: String, as type: Value.Type) throws(CNIError) -> Value {
            do { return try answer.value(key, as: type) } catch { throw EVBDService.words(error) }
        }
    }

    private func call(
        _ method: ControlMethod, _ parameters: some Encodable, milliseconds: Int = answerMilliseconds
    ) throws(CNIError) -> Answer {
        do { return Answer(answer: try ask(method, parameters, milliseconds: milliseconds)) } catch {
            throw Self.words(error)
        }
    }

    /// Calls, and calls again where evbd went meanwhile: all calls here may be made twice.
    private func ask(
        _ method: ControlMethod, _ parameters: some Encodable, milliseconds: Int = answerMilliseconds
    ) throws(ControlClientError) -> ControlAnswer {
        let end = ContinuousClock.now + .seconds(Self.restartSeconds)
        while true {
            do throws(ControlClientError) {
                if client == nil { client = try ControlClient(socket: socket) }
                guard let client else { continue }
                return try client.call(method, parameters, timeoutMilliseconds: milliseconds)
            } catch {
                client = nil
                switch error {
                case .closed, .noDaemon(_, .absent), .noDaemon(_, .abandoned), .noDaemon(_, .overrun):
                    guard isPatient, ContinuousClock.now < end else {
                        isPatient = false
                        throw error
                    }
                    usleep(100_000)
                default: throw error
                }
            }
        }
    }

    private static func words(_ error: ControlClientError) -> CNIError {
        switch error {
        case .noDaemon(let socket, .forbidden):
            CNIError(
                .inputOutput, "evbd's socket \(socket) may not be used",
                details:
                    "rootless containers cannot be VSIs: their networks are not the host's; run the container as root")
        case .noDaemon(let socket, _), .closed(let socket):
            CNIError(
                .tryAgainLater, "evbd does not run: nothing answers on \(socket)",
                details: "systemctl start evbd, or name its socket in the network's configuration (socket)")
        case .silent(let socket, let milliseconds):
            CNIError(.tryAgainLater, "evbd said nothing for \(milliseconds / 1000) s on \(socket)")
        case .garbled(_, let detail): CNIError(.undecodable, "evbd's answer is not understood: \(detail)")
        case .refused(let error):
            switch error.failure {
            case .noBridge, .noAnswer, .busy: CNIError(.tryAgainLater, error.message, details: error.hint)
            default: CNIError(.refused, error.message, details: error.hint)
            }
        case .misunderstood(let error, let detail):
            CNIError(.undecodable, "evbd does not take the call: \(error) \(detail ?? "")")
        }
    }
}
