internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// The kernel's links as it last told of them: the one owner of that truth.
final class LinkTable {
    private let monitor: LinkMonitor
    private let logger: Logger
    private var watch: EventLoop.Watch?
    private var links: [Int32: Link] = [:]
    private var indices: [String: Int32] = [:]

    /// Called with a link's name whenever something about it has changed; the table has the new state by then.
    var onChange: ((String) -> Void)?

    /// Reads all links and listens for changes.
    ///
    /// - Throws: `NetlinkError` or `SystemError` when the kernel gives no socket.
    init(loop: EventLoop, logger: Logger) throws {
        self.logger = logger
        monitor = try LinkMonitor()
        for link in try monitor.dump() { insert(link) }
        watch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in self?.receive() }
    }

    /// The link of that name.
    subscript(name: String) -> Link? { indices[name].flatMap { links[$0] } }

    /// The link of that index.
    subscript(index: Int32) -> Link? { links[index] }

    private func insert(_ link: Link) {
        if let old = links[link.index], old.name != link.name, indices[old.name] == link.index {
            indices[old.name] = nil
        }
        links[link.index] = link
        indices[link.name] = link.index
    }

    private func receive() {
        var changed: [String] = []
        var isOverrun = false
        do {
            try monitor.receive { event in
                switch event {
                case .changed(let link):
                    if let old = links[link.index], old.name != link.name { changed.append(old.name) }
                    guard links[link.index] != link || indices[link.name] != link.index else { return }
                    insert(link)
                    changed.append(link.name)
                case .removed(let index, _):
                    guard let link = links.removeValue(forKey: index) else { return }
                    if indices[link.name] == index { indices[link.name] = nil }
                    changed.append(link.name)
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
        if isOverrun { changed += resynchronize() }
        for name in changed { onChange?(name) }
    }

    /// Reads all links anew after some changes were missed.
    private func resynchronize() -> [String] {
        let old = links
        do {
            let all = try monitor.dump()
            links = [:]
            indices = [:]
            for link in all { insert(link) }
        } catch {
            logger.error("the links cannot be read", metadata: ["error": "\(error)"])
            return []
        }
        let indices = Set(old.keys).union(links.keys).filter { old[$0] != links[$0] }
        return Set(indices.flatMap { [old[$0]?.name, links[$0]?.name].compactMap { $0 } }).sorted()
    }
}
