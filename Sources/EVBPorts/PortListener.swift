internal import EVBTime
internal import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Netlink
internal import PacketSocket

/// Hears frames of one interface, from its EVB neighbour or from all others, and no more of them than a port can bear.
///
/// A flood is left in the kernel: where more frames come than the port takes, the socket is not read for a while, its buffer
/// fills, and the kernel drops the rest at next to no cost. Neighbour and others have listeners of their own, and EtherTypes
/// have sockets of their own (but not on a port of a Linux bridge), so that a flood of one does not drown the other.
final class PortListener {
    /// Frames taken from one socket before others have their turn.
    private static let framesPerTurn: UInt64 = 64
    /// Nanoseconds of work for one socket, after which no further frames are taken before others have their turn.
    private static let workPerTurn = EventLoop.handlerTime
    /// Short frames taken before the time is looked at; it is looked at after each long one.
    private static let framesPerLook: UInt64 = 8
    /// A frame of one VSI with one filter entry is not longer than this, and each VSI more adds so many octets.
    private static let (singleLength, furtherLength) = (80, 34)

    /// What a frame takes of an allowance: 1, and as much as further VSIs in it would, or filter entries in their place.
    static func cost(ofLength length: Int) -> UInt64 {
        1 + UInt64(max(0, length - singleLength) / furtherLength)
    }

    /// An LLDPDU has no VSIs, however long it is.
    private static func isECP(_ octets: UnsafeRawBufferPointer) -> Bool {
        guard octets.count >= 14 else { return false }
        return UInt16(octets[12]) << 8 | UInt16(octets[13]) != EtherType.lldp
    }

    /// How many frames are taken; one of the neighbour's with many VSIs counts for as many. Others' VSIs are not looked at.
    enum Allowance {
        /// From one that has much to say: tens of thousands of VSIs answered, or kept alive, in few seconds.
        case neighbour
        /// From anybody: enough to notice who is there.
        case others

        /// The share of a socket.
        fileprivate func account(_ etherTypes: [UInt16]) -> Account {
            // Nobody has as much to say by LLDP, where a frame a second is fast.
            if self == .others || etherTypes == [EtherType.lldp] { return Account(burst: 2000, perSecond: 2000) }
            return Account(burst: 60_000, perSecond: 10_000)
        }
    }

    /// What reads one socket.
    private final class Source {
        let descriptor: Int32
        var account: Account
        var watch: EventLoop.Watch?
        /// Until when the socket is not read.
        var pausedUntil: Instant?

        init(_ descriptor: Int32, _ account: Account) {
            self.descriptor = descriptor
            self.account = account
        }
    }

    let socket: PacketSocket
    private let timers: Timers
    private let take: (UnsafeRawBufferPointer) -> Void
    private let allowance: Allowance
    private let share: LoopShare?
    private let onFlood: () -> Void
    private var sources: [Source] = []
    private var timer: Timers.Timer?
    /// Those among ``kernelDrops`` that have been asked for.
    private var knownDrops: UInt64 = 0
    /// Frames that were taken.
    private(set) var frames: UInt64 = 0
    /// Frames that did not belong to the port and came past the kernel's filter; they were dropped.
    private(set) var strays: UInt64 = 0

    /// Begins to hear.
    ///
    /// - Parameters:
    ///   - socket: what is heard.
    ///   - allowance: how much of it.
    ///   - share: how much of the loop's time it may take; nil is as much as there is.
    ///   - loop: tells when there is something to hear.
    ///   - timers: end the pauses.
    ///   - take: called with each frame.
    ///   - onFlood: called when more comes than is allowed, time and again while it does.
    /// - Throws: `SystemError`: ENOMEM, ENOSPC.
    init(
        _ socket: PacketSocket, _ allowance: Allowance, share: LoopShare? = nil, loop: EventLoop, timers: Timers,
        take: @escaping (UnsafeRawBufferPointer) -> Void, onFlood: @escaping () -> Void
    ) throws(SystemError) {
        self.socket = socket
        self.timers = timers
        self.allowance = allowance
        self.share = share
        self.take = take
        self.onFlood = onFlood
        for descriptor in socket.descriptors {
            let source = Source(descriptor, allowance.account(socket.etherTypes(of: descriptor)))
            sources.append(source)
            source.watch = try loop.watch(descriptor, for: .readable, isBulk: true) { [weak self] _ in
                self?.receive(source)
            }
        }
        timer = timers.timer { [weak self] in self?.resume() }
    }

    /// Frames that the kernel has dropped because more came than were taken. It counts them; to ask at each frame would cost more than
    /// to read the frame.
    var kernelDrops: UInt64 {
        for source in sources { knownDrops &+= UInt64(socket.takeDrops(of: source.descriptor)) }
        return knownDrops
    }

    /// Ends it.
    func close() {
        for source in sources { source.watch?.cancel() }
        sources = []
        timer = nil
    }

    private func receive(_ source: Source) {
        let now = timers.now
        // An error of the socket wakes also while it is not read, and has to be taken.
        let allowed = min(Self.framesPerTurn, max(source.account.available(at: now), 1))
        var (taken, cost): (UInt64, UInt64) = (0, 0)
        do throws(SystemError) {
            repeat {
                let areShort = taken > 0 && cost < 2 * taken
                let limit = Int(min(areShort ? Self.framesPerLook : 1, allowed - taken))
                let summary = try socket.receive(source.descriptor, limit: limit) { octets in
                    cost &+= allowance == .neighbour && Self.isECP(octets) ? Self.cost(ofLength: octets.count) : 1
                    take(octets)
                }
                cost &+= UInt64(summary.truncated + summary.strays)
                taken &+= UInt64(summary.frames + summary.truncated + summary.strays)
                frames &+= UInt64(summary.frames)
                strays &+= UInt64(summary.strays)
                guard summary.mayHaveMore else { break }
            } while taken < allowed && cost < allowed && timers.now.since(now).nanoseconds < Self.workPerTurn
        } catch {
            // The interface went down; the kernel tells of that by netlink too.
            return
        }
        source.account.pay(cost, at: now)
        let end = timers.now
        share?.spend(end.since(now), at: end)
        guard source.pausedUntil == nil else { return }
        let isOver = source.account.available(at: now) == 0
        guard
            let pause = [isOver ? source.account.time(for: Self.framesPerTurn) : nil, share?.pause(at: end)]
                .compactMap({ $0 }).max()
        else { return }
        source.pausedUntil = now + pause
        source.watch?.update([])
        timer?.set(sources.compactMap(\.pausedUntil).min())
        onFlood()
    }

    private func resume() {
        let now = timers.now
        for source in sources {
            guard let until = source.pausedUntil, until <= now else { continue }
            source.pausedUntil = nil
            source.watch?.update(.readable)
        }
        timer?.set(sources.compactMap(\.pausedUntil).min())
    }
}
