package import Netlink

/// Deletes several links by one change of the kernel, which takes as long for hundreds as for one: it waits for a grace period
/// of RCU each time.
package struct LinkRemoval: KernelOperation, Equatable {
    package typealias Context = LinkCommand.Context

    /// Links that one removal deletes. It holds the lock of all changes to links for a tenth of a second, as well as the worker.
    package static let linksMax = 256

    /// The links; each once.
    package var indices: [Int32]

    package init(_ indices: [Int32]) { self.indices = indices }

    package static func makeContext() -> Context { LinkCommand.makeContext() }

    package var kind: String { "delete links" }

    /// - Returns: For each link, in the order of `indices`, what `LinkCommand.delete` of it would answer.
    package func perform(in context: Context) -> [LinkCommand.Answer] {
        do throws(NetlinkError) {
            return try context.open().delete(indices: indices).map { $0.map { nil } }
        } catch {
            return indices.map { _ in .failure(error) }
        }
    }

    package static func problem(in answer: [LinkCommand.Answer]) -> String? {
        answer.lazy.compactMap { LinkCommand.problem(in: $0) }.first
    }
}

extension LinkCommand {
    /// The links that it is about, by their indices.
    var indices: [Int32] {
        switch self {
        case .create(let spec): [spec.parentIndex]
        case .ensureVLAN(let device), .createVLAN(let device): [device.parentIndex]
        case .setMaster(let index, let bridge): [index, bridge]
        case .delete(let index), .setMacvlanMode(let index, _), .setUp(let index, _), .keepHostOff(let index),
            .setMTU(let index, _), .setAlias(let index, _), .setVirtualFunction(let index, _),
            .setCardSwitch(let index, _), .look(let index), .setHairpin(let index, _):
            [index]
        }
    }
}
