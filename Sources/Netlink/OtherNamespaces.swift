// Finds links in other network namespaces, of which those are known that have a number here.

internal import CLinux
internal import CNetlink
internal import Glibc

extension Links {
    /// RTM_GETNSID and RTM_NEWNSID, NETNSA_NSID and IFLA_TARGET_NETNSID: numbers of the kernel's headers.
    private enum Number {
        static let getNamespaces = 90
        static let namespace = 88
        static let identifier = 1
        static let target = 46
    }

    /// The most network namespaces that are looked into.
    private static let namespacesMax = 4096

    /// The numbers of the network namespaces that have one here. A link that has been moved is in one of them.
    ///
    /// - Throws: `NetlinkError`.
    public func namespaces() throws(NetlinkError) -> [UInt32] {
        var numbers: [UInt32] = []
        try requests.dump(
            "list the network namespaces", start: { numbers = [] },
            request: { LinkMessage(type: Number.getNamespaces, flags: NLM_F_DUMP) },
            reader: { header in
                guard Int(header.pointee.nlmsg_type) == Number.namespace, numbers.count < Self.namespacesMax else {
                    return
                }
                let length = Int32(MemoryLayout<rtgenmsg>.size)
                guard nlmsg_valid_hdr(header, length) != 0 else { return }
                Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length)).forEach {
                    if $0.type == Number.identifier, let number = $0.uint32 { numbers.append(number) }
                }
            })
        return numbers
    }

    /// Which of some aliases links in another network namespace have.
    ///
    /// - Parameters:
    ///   - aliases: The aliases.
    ///   - namespace: The number of the namespace. One that has ended meanwhile has no links.
    /// - Returns: Those that a link there has.
    /// - Throws: `NetlinkError`.
    public func aliases(_ aliases: Set<String>, inNamespace namespace: UInt32) throws(NetlinkError) -> Set<String> {
        var found: Set<String> = []
        do throws(NetlinkError) {
            try requests.dump(
                "list the links of network namespace \(namespace)", start: { found = [] },
                request: {
                    let message = LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP)
                    message.put(Number.target, namespace)
                    return message
                },
                reader: { header in
                    guard Int(header.pointee.nlmsg_type) == RTM_NEWLINK, let alias = Link(message: header)?.alias,
                        aliases.contains(alias)
                    else { return }
                    found.insert(alias)
                })
        } catch {
            guard [.notFound, .invalid].contains(error.kind) else { throw error }
        }
        return found
    }
}
