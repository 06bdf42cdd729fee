package import EVBTime
internal import EventLoop

/// When the rules of new links wait for those of others.
///
/// A transaction takes the kernel the longer the more chains there are, whatever is in it. Where links are made in numbers, those of ten
/// milliseconds have one together. A link is set up when it has its rules, so that none is without them meanwhile.
package final class Gathering {
    /// How long after a transaction for several links the next one begins.
    package static let gap = Interval.milliseconds(10)
    /// So many wait for no more.
    static let linksMax = 32

    private var timer: Timers.Timer?
    private let timers: Timers
    private let gap: Interval
    private var until: Instant?

    /// - Parameters:
    ///   - timers: end the time in which rules gather.
    ///   - gap: how long that is.
    ///   - end: is called then.
    init(timers: Timers, gap: Interval, end: @escaping () -> Void) {
        self.timers = timers
        self.gap = gap
        timer = timers.timer { end() }
    }

    /// A transaction with the rules of so many new links has ended.
    func transactionEnded(newLinks: Int) {
        until = newLinks > 1 ? timers.now + gap : nil
        timer?.set(until)
    }

    /// Whether what waits, rules of so many new links and nothing else, is to wait for more.
    func holds(newLinks: Int) -> Bool {
        newLinks < Self.linksMax && until.map { timers.now < $0 } == true
    }
}
