internal import Dataplane
internal import EVBWire
internal import EdgeRelayMachine
internal import LinuxSystem
internal import Netlink

// Looks for links that are not where they were. One search serves all VSIs whose links are looked for when it begins; those
// that come meanwhile are served by the next one.

/// The VSIs whose links are being looked for.
struct RelaySearch {
    typealias Completion = (LinkResult) -> Void

    /// Those of the search that is under way; empty while none is.
    var current: [VSIID: Completion] = [:]
    var next: [VSIID: Completion] = [:]
}

extension HostLinks {
    /// Looks for the link that evbd has made for a VSI, here and then in other network namespaces.
    func search(_ vsiID: VSIID, completion: @escaping RelaySearch.Completion) {
        table.whenCaughtUp { [weak self] in
            guard let self else { return }
            if let here = here(vsiID) { return completion(here) }
            searching.next[vsiID] = completion
            if searching.current.isEmpty { beginSearch() }
        }
    }

    private func here(_ vsiID: VSIID) -> LinkResult? {
        table.links(alias: EdgeRelay.alias(vsiID)).first.map { LinkResult.link(value($0), ownership(of: $0, nil)) }
    }

    private func beginSearch() {
        guard !searching.next.isEmpty else { return }
        (searching.current, searching.next) = (searching.next, [:])
        search(in: nil)
    }

    private func search(in namespaces: [UInt32]?) {
        let sought = Dictionary(searching.current.keys.map { (EdgeRelay.alias($0), $0) }) { first, _ in first }
        let operation = LinkSearch(Set(sought.keys), in: namespaces)
        let isTaken =
            !isStopped
            && programmer.perform(operation, of: portName) { [weak self] answer in
                guard let self else { return }
                switch answer {
                case .success(let found)?:
                    for vsiID in found.aliases.compactMap({ sought[$0] }) {
                        searching.current.removeValue(forKey: vsiID)?(.elsewhere)
                    }
                    if found.rest.isEmpty || searching.current.isEmpty { endSearch() } else { search(in: found.rest) }
                // Not known, which is not gone: another link beside it would have its address.
                case .failure(let error)?: endSearch(.failed(LinkFailure(error)))
                case nil: endSearch(.failed(LinkFailure(Self.stopping)))
                }
            }
        if !isTaken { endSearch(.failed(LinkFailure(Self.stopping))) }
    }

    /// The links are in no other namespace. One may have come back since it was looked for here.
    private func endSearch() {
        table.whenCaughtUp { [weak self] in self?.endSearch(.gone) }
    }

    private func endSearch(_ result: LinkResult) {
        let ended = searching.current
        searching.current = [:]
        for (vsiID, completion) in ended { completion(here(vsiID) ?? result) }
        beginSearch()
    }
}
