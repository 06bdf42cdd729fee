internal import EVBTime
package import EventLoop
package import LinuxSystem
package import Logging
package import Netlink

/// The kernel's links as it last told of them: the one owner of that truth.
package final class LinkTable {
    /// How long after the links could not be read they are read again.
    private static let patience = Interval.milliseconds(200)

    private let monitor: LinkMonitor
    private let timers: Timers
    private let logger: Logger
    private var timer: Timers.Timer?
    private var watch: EventLoop.Watch?
    private var links: [Int32: Link] = [:]
    private var indices: [String: Int32] = [:]
    /// Links by their alternative names, which are no other link's names either.
    private var alternatives: [String: Int32] = [:]
    private var holders: [HardwareAddress: Set<Int32>] = [:]
    private var aliases: [String: Set<Int32>] = [:]
    /// Links that have gone to other network namespaces, by the indices that they had here.
    private var departed: Set<Int32> = []
    /// Of more, none is remembered: such a host moves links all the time, and what is theirs has been asked long ago.
    private static let departedMax = 16_384

    /// Called with a link's name whenever something about it has changed; the table has the new state by then.
    package var onChange: ((String) -> Void)?

    /// Reads all links and listens for changes.
    ///
    /// - Throws: `NetlinkError` or `SystemError` when the kernel gives no socket.
    package init(loop: EventLoop, timers: Timers, logger: Logger) throws {
        self.timers = timers
        self.logger = logger
        monitor = try LinkMonitor()
        timer = timers.timer { [weak self] in self?.readAnew() }
        for link in try monitor.dump() { insert(link) }
        watch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in self?.receive() }
    }

    /// The link of that name.
    package subscript(name: String) -> Link? { indices[name].flatMap { links[$0] } }

    /// The name that the kernel shows for a link, by that or an alternative name; the same name where there is no such link.
    package func name(of name: String) -> String {
        guard indices[name] == nil, let link = alternatives[name].flatMap({ links[$0] }) else { return name }
        return link.name
    }

    /// The link of that index.
    package subscript(index: Int32) -> Link? { links[index] }

    /// The links that have an address.
    package func links(of address: HardwareAddress) -> [Link] {
        holders[address, default: []].sorted().compactMap { links[$0] }
    }

    /// The links that have an alias.
    package func links(alias: String) -> [Link] { aliases[alias, default: []].sorted().compactMap { links[$0] } }

    /// Whether a link has an address.
    package func hasLink(of address: HardwareAddress) -> Bool { holders[address] != nil }

    /// The first link of which something is true, by its index. Looks at all of them.
    package func first(where isMeant: (Link) -> Bool) -> Link? {
        links.values.filter(isMeant).min { $0.index < $1.index }
    }

    /// The links of which something is true, by their indices. Looks at all of them.
    package func all(where isMeant: (Link) -> Bool) -> [Link] {
        links.values.filter(isMeant).sorted { $0.index < $1.index }
    }

    /// Whether the link that had this index is in another network namespace now.
    package func isElsewhere(_ index: Int32) -> Bool { departed.contains(index) }

    private func insert(_ link: Link) {
        if let old = links[link.index], old.name != link.name, indices[old.name] == link.index {
            indices[old.name] = nil
        }
        if let old = links[link.index], old.address != link.address { forgetAddress(of: old) }
        if let old = links[link.index], old.alias != link.alias { forgetAlias(of: old) }
        if let old = links[link.index] { forgetAlternatives(of: old) }
        for name in link.alternativeNames { alternatives[name] = link.index }
        if let alias = link.alias { aliases[alias, default: []].insert(link.index) }
        if let address = link.address { holders[address, default: []].insert(link.index) }
        departed.remove(link.index)
        links[link.index] = link
        indices[link.name] = link.index
    }

    private func forgetAddress(of link: Link) {
        guard let address = link.address else { return }
        holders[address]?.remove(link.index)
        if holders[address]?.isEmpty == true { holders[address] = nil }
    }

    private func forgetAlternatives(of link: Link) {
        for name in link.alternativeNames where alternatives[name] == link.index { alternatives[name] = nil }
    }

    private func forgetAlias(of link: Link) {
        guard let alias = link.alias else { return }
        aliases[alias]?.remove(link.index)
        if aliases[alias]?.isEmpty == true { aliases[alias] = nil }
    }

    /// - Returns: The name that the link had.
    private func remove(_ index: Int32) -> String? {
        guard let link = links.removeValue(forKey: index) else { return nil }
        if indices[link.name] == index { indices[link.name] = nil }
        forgetAddress(of: link)
        forgetAlias(of: link)
        forgetAlternatives(of: link)
        return link.name
    }

    /// Takes all news that wait, so that what the kernel has said before an answer is known before that.
    package func catchUp() { receive(limit: .max) }

    private func receive(limit: Int = 256) {
        var changed: [String] = []
        var isOverrun = false
        do {
            try monitor.receive(limit: limit) { event in
                switch event {
                case .changed(let link):
                    if let old = links[link.index], old.name != link.name { changed.append(old.name) }
                    guard links[link.index] != link || indices[link.name] != link.index else { return }
                    insert(link)
                    changed.append(link.name)
                case .removed(let index, _):
                    if let name = remove(index) { changed.append(name) }
                case .moved(let index, _):
                    guard let name = remove(index) else { return }
                    if departed.count == Self.departedMax { departed = [] }
                    departed.insert(index)
                    changed.append(name)
                case .bridgePort(let index, let hairpin):
                    guard let link = links[index], link.hairpin != hairpin else { return }
                    links[index]?.hairpin = hairpin
                    changed.append(link.name)
                case .overrun: isOverrun = true
                }
            }
        } catch {
            logger.warning("link changes cannot be read; reading all links", metadata: ["error": "\(error)"])
            isOverrun = true
        }
        if isOverrun {
            logger.notice("links changed faster than they were read; reading all of them")
            changed += resynchronize()
        }
        for name in changed { onChange?(name) }
    }

    private func readAnew() {
        for name in resynchronize() { onChange?(name) }
    }

    /// Reads all links anew after some changes were missed.
    private func resynchronize() -> [String] {
        let old = links
        do {
            let all = try monitor.dump()
            links = [:]
            indices = [:]
            holders = [:]
            aliases = [:]
            alternatives = [:]
            for link in all { insert(link) }
        } catch {
            // Others may be changing them all the time.
            logger.error("the links cannot be read; trying again", metadata: ["error": "\(error)"])
            timer?.set(timers.now + Self.patience)
            return []
        }
        let indices = Set(old.keys).union(links.keys).filter { old[$0] != links[$0] }
        return Set(indices.flatMap { [old[$0]?.name, links[$0]?.name].compactMap { $0 } }).sorted()
    }
}
