internal import EVBWire
internal import EdgeRelayMachine

/// A kernel with one port, the links on it, and network namespaces. It says what has happened; who hears of it is the world's affair.
struct SimulatedKernel {
    struct Link: Equatable {
        var index: Int32
        var name: String
        /// The VSI that evbd has created it for.
        var owner: VSIID?
        var address: MACAddress
        /// The VLAN whose device it is on.
        var vlan: UInt16?
        /// What no command changes: for evbd it is as good as a link's kind.
        var kind: String?
        var mode: RelayMode
        var mtu: UInt32
        var isUp = false
        /// 0 is the host's.
        var namespace = 0
        /// Its VSI was given up while the link was in another namespace.
        var isAbandoned = false
    }

    enum News: Equatable {
        case changed(Link)
        case removed(Int32)
        case moved(Int32)
        case port(mtu: UInt32)
        case namespaceEnded
    }

    private(set) var links: [Int32: Link] = [:]
    private(set) var portMTU: UInt32 = 1500
    private var lastIndex: Int32 = 10
    private(set) var news: [News] = []

    func host(_ name: String) -> Link? { links.values.first { $0.namespace == 0 && $0.name == name } }

    mutating func takeNews() -> [News] {
        defer { news = [] }
        return news
    }

    mutating func create(_ link: Link) -> Link? {
        guard host(link.name) == nil else { return nil }
        var link = link
        lastIndex += 1
        link.index = lastIndex
        links[link.index] = link
        news.append(.changed(link))
        return link
    }

    mutating func delete(_ index: Int32) {
        guard let link = links.removeValue(forKey: index), link.namespace == 0 else { return }
        news.append(.removed(index))
    }

    mutating func change(_ index: Int32, _ body: (inout Link) -> Void) {
        guard var link = links[index] else { return }
        body(&link)
        guard link != links[index] else { return }
        links[index] = link
        if link.namespace == 0 { news.append(.changed(link)) }
    }

    /// Moves a link, which is down then. Back on the host it has another index if the old one is taken, and else the same.
    mutating func move(_ index: Int32, to namespace: Int, as name: String, newIndex: Bool) {
        guard var link = links[index], link.namespace != namespace else { return }
        if namespace == 0, host(name) != nil { return }
        let wasHere = link.namespace == 0
        links[index] = nil
        (link.namespace, link.name, link.isUp) = (namespace, name, false)
        if newIndex {
            lastIndex += 1
            link.index = lastIndex
        }
        links[link.index] = link
        if wasHere { news.append(.moved(index)) }
        if namespace == 0 { news.append(.changed(link)) }
    }

    mutating func end(namespace: Int) {
        for link in links.values where link.namespace == namespace { links[link.index] = nil }
        news.append(.namespaceEnded)
    }

    /// A VSI was given up: what evbd does not see of its links is not its to delete.
    mutating func abandon(_ vsiID: VSIID, seen: (Int32) -> Bool) {
        for link in links.values where link.owner == vsiID && (link.namespace != 0 || !seen(link.index)) {
            links[link.index]?.isAbandoned = true
        }
    }

    mutating func setPortMTU(_ mtu: UInt32) {
        portMTU = mtu
        news.append(.port(mtu: mtu))
        // As macvlan does. It raises none.
        for link in links.values.sorted(by: { $0.index < $1.index }) where link.mtu > mtu {
            change(link.index) { $0.mtu = mtu }
        }
    }
}

/// What evbd has heard of the kernel, and how it reads it.
struct SimulatedTable: LinkView {
    var links: [Int32: SimulatedKernel.Link] = [:]
    var left: Set<Int32> = []
    var portMTU: UInt32 = 1500
    /// The links that were adopted, by name and index, as they are stored.
    var kept: [VSIID: (index: Int32, name: String)] = [:]
    var wanted: Set<VSIID> = []
    var hasPort: Bool { true }

    mutating func take(_ news: SimulatedKernel.News) {
        switch news {
        case .changed(let link):
            left.remove(link.index)
            links[link.index] = link
        case .removed(let index): links[index] = nil
        case .moved(let index):
            links[index] = nil
            left.insert(index)
        case .port(let mtu): portMTU = mtu
        case .namespaceEnded: break
        }
    }

    func value(_ link: SimulatedKernel.Link) -> KernelLink {
        KernelLink(
            index: link.index, name: link.name, kind: link.kind, mode: link.mode, mtu: link.mtu, lowerMTU: portMTU,
            isUp: link.isUp)
    }

    func link(at index: Int32) -> KernelLink? { links[index].map(value) }

    func hasLeft(_ index: Int32) -> Bool { left.contains(index) }

    func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        let links = links.values.filter { $0.index != discarded }.sorted { $0.index < $1.index }
        if spec.origin == .created {
            let own = links.filter { $0.owner == vsiID }
            return own.first.map {
                LinkCandidate(
                    value($0), .created(vlan: $0.vlan), isFitting: $0.kind == spec.kind && $0.vlan == vlan,
                    twins: own.dropFirst().map(value))
            }
        }
        if let kept = kept[vsiID], let link = links.first(where: { $0.index == kept.index && $0.name == kept.name }) {
            return LinkCandidate(value(link), .adopted)
        }
        return links.first { link in
            link.owner == nil && spec.addresses.contains(link.address) && holder(link.name) ?? vsiID == vsiID
        }.map { LinkCandidate(value($0), .adopted) }
    }

    func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState { .open }

    func isWanted(_ vsiID: VSIID) -> Bool { wanted.contains(vsiID) }
}
