internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBTime
internal import EventLoop
package import LinuxSystem
internal import Logging

// Planned maintenance of the bridge: the port is out of service until an operator or the time ends that.

extension StationPortController {
    package func drain(seconds: Int) throws(SystemError) {
        let client = Requester.current?.words ?? "evbd"
        let time = transport.surroundings.wallClock()
        let new = PortDrain(
            sinceMilliseconds: drain?.sinceMilliseconds ?? time, untilMilliseconds: time + seconds * 1000, by: client)
        // Of one that was made longer, the store knows the last part.
        var stored = new
        stored.sinceMilliseconds = max(
            new.sinceMilliseconds, new.untilMilliseconds - PortDrain.secondsRange.upperBound * 1000)
        try drainFile.write(stored)
        let isNew = drain == nil
        drain = new
        drainTimer?.set(now + .seconds(UInt64(seconds)))
        log(.notice, "port drained", ["seconds": "\(seconds)", "by": "\(client)"])
        guard isNew else { return }
        onNews?(PortNews(kind: .port, to: "drained", message: "the port is drained for \(seconds) s by \(client)"))
        beginDrain()
    }

    package func endDrain() { endDrain(Requester.current?.words ?? "evbd") }

    /// - Parameter client: who wants the end, in words.
    func endDrain(_ client: String) {
        guard drain != nil else { return }
        drainFile.remove()
        drain = nil
        drainTimer?.set(nil)
        log(.notice, "drain ends", ["by": "\(client)"])
        onNews?(PortNews(kind: .port, to: "in-service", message: "the drain of the port ends, by \(client)"))
        finishDrain()
    }

    /// Goes on with a drain of the run before, if it has not ended meanwhile.
    func restoreDrain() {
        guard let stored = drainFile.read() else { return }
        let left = stored.untilMilliseconds - transport.surroundings.wallClock()
        guard left > 0 else { return drainFile.remove() }
        drain = stored
        // A clock that was set back makes it no longer than it can be.
        let bounded = min(left, PortDrain.secondsRange.upperBound * 1000)
        drainTimer?.set(now + .milliseconds(UInt64(bounded)))
        log(.notice, "the port is still drained", ["by": "\(stored.by)"])
        beginDrain()
    }
}
