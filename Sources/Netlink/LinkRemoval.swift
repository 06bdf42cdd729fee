// Deletes many links at once. The kernel waits for RCU grace periods with each deletion, some 16 to 40 ms for one link as for
// hundreds, and has one request for many links: to delete all of a group.

internal import CNetlink
internal import Glibc

extension MacvlanSpec {
    /// The group of links that are being deleted together, next to `group`. Rules keep the host's own IP off it too.
    public static let leavingGroup = group + 1
}

extension Links {
    /// RTEXT_FILTER_SKIP_STATS.
    private static let skipStatistics: UInt32 = 1 << 3

    /// Deletes links together.
    ///
    /// Each is put into `MacvlanSpec.leavingGroup`, and the group is deleted. Where another link is in that group, or the
    /// kernel refuses, they are deleted one by one. A link that goes to another network namespace meanwhile counts as gone.
    /// - Parameter indices: The links, each once.
    /// - Returns: What became of each, in the order of `indices`.
    package func delete(indices: [Int32]) -> [Result<Void, NetlinkError>] {
        guard indices.count > 1 else { return indices.map(deleted) }
        var results: [Int32: Result<Void, NetlinkError>] = [:]
        for index in indices {
            if case .failure(let error) = markForRemoval(index) { results[index] = .failure(error) }
        }
        let marked = Set(indices.filter { results[$0] == nil })
        let isGroupDeleted = marked.count > 1 && isLeavingGroup(marked) && deleteLeavingGroup()
        for index in indices where marked.contains(index) {
            // Another process may have taken one out of the group.
            let isGone = isGroupDeleted && (try? link(index: index)) == .some(nil)
            results[index] = isGone ? .success(()) : deleted(index)
        }
        return indices.map { results[$0] ?? .success(()) }
    }

    private func deleted(_ index: Int32) -> Result<Void, NetlinkError> {
        Result { () throws(NetlinkError) in try delete(index: index) }
    }

    private func markForRemoval(_ index: Int32) -> Result<Void, NetlinkError> {
        Result { () throws(NetlinkError) in
            let message = LinkMessage(type: RTM_SETLINK, index: index)
            message.put(IFLA_GROUP, MacvlanSpec.leavingGroup)
            try requests.perform(message, "delete \(Self.name(ofIndex: index))")
        }
    }

    /// Whether these links are in the group, some may be gone already, and no other one is.
    private func isLeavingGroup(_ indices: Set<Int32>) -> Bool {
        let all = try? requests.dump("list the links") {
            let message = LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP)
            message.put(IFLA_EXT_MASK, Self.skipStatistics)
            return message
        }
        guard let all else { return false }
        return all.allSatisfy { $0.group != MacvlanSpec.leavingGroup || indices.contains($0.index) }
    }

    private func deleteLeavingGroup() -> Bool {
        let message = LinkMessage(type: RTM_DELLINK)
        message.put(IFLA_GROUP, MacvlanSpec.leavingGroup)
        return (try? requests.perform(message, "delete the links of group \(MacvlanSpec.leavingGroup)")) != nil
    }
}
