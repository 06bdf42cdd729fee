// Finds a link wherever it is: in this network namespace, or in one that has a number here.

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

    /// The link of an alias, in this network namespace or another one.
    ///
    /// A link that has been moved is in a namespace that has a number here.
    /// - Returns: The link, with `isElsewhere` where it is in another namespace; nil if there is none.
    /// - Throws: `NetlinkError`.
    public func locate(alias: String) throws(NetlinkError) -> Link? {
        if let here = try dump().first(where: { $0.alias == alias }) { return here }
        for number in try namespaces() {
            do throws(NetlinkError) {
                if let found = try link(alias: alias, namespace: number) { return found }
            } catch {
                // A namespace that has ended meanwhile has no links.
                guard [.notFound, .invalid].contains(error.kind) else { throw error }
            }
        }
        return nil
    }

    private func namespaces() throws(NetlinkError) -> [UInt32] {
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

    private func link(alias: String, namespace: UInt32) throws(NetlinkError) -> Link? {
        var found: Link?
        try requests.dump(
            "list the links of network namespace \(namespace)", start: { found = nil },
            request: {
                let message = LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP)
                message.put(Number.target, namespace)
                return message
            },
            reader: { header in
                guard found == nil, Int(header.pointee.nlmsg_type) == RTM_NEWLINK, let link = Link(message: header),
                    link.alias == alias
                else { return }
                found = link
                found?.isElsewhere = true
            })
        return found
    }
}
