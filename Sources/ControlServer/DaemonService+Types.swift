package import EVBControl
package import EVBModel

/// Who knows the servers of VSI types.
package protocol TypeServerSource: AnyObject {
    /// Each server, with what is wrong about it.
    var statuses: [TypeServerStatus] { get }
    /// Has all servers asked at once, and answers when they have, or have not in time.
    func fetch(_ completion: @escaping (Result<[TypeServerStatus], ControlError>) -> Void)
}

extension DaemonService {
    /// Has servers of VSI types asked at once.
    func fetchTypes(_ reply: ControlReplyHandle) {
        typeServers?.fetch { result in
            switch result {
            case .success(let servers): reply.answer(.typeServers(servers))
            case .failure(let error): reply.fail(error)
            }
        }
    }
}
