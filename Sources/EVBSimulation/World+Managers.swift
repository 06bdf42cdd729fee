internal import EVBProtocol
internal import EVBTime
internal import EVBWire

// Managers that never ask again, as libvirt after a machine has started: every second VSI of a station is wanted by one. What
// it wants and does not take back comes again by itself, within a bound that is shorter than the one for all else.

extension World {
    /// Whether the manager of a VSI asks for it once in its life.
    func isAskedOnce(_ vsiID: VSIID) -> Bool { vsiID.low & 1 == 1 }

    /// The requests that a manager may repeat or change.
    func repeatable(_ index: Int) -> [VSIRequest] {
        pairs[index].wanted.values.filter { !isAskedOnce($0.vsiID) }.sorted { $0.vsiID.low < $1.vsiID.low }
    }

    /// Long enough after the last fault for whatever is wanted to be had, without another request.
    mutating func checkMended() throws(Ledger.Breach) {
        for index in pairs.indices where !isHaunted(index) {
            current = index
            for request in pairs[index].wanted.values.sorted(by: { $0.vsiID.low < $1.vsiID.low })
            where isAskedOnce(request.vsiID) {
                try checkVSI(
                    request, index,
                    rule: "what a manager wants and never took back is bound again, or refused with the reason, in time"
                )
            }
        }
    }
}

extension Swarm {
    /// How long after the last fault what is wanted is bound without another request: a side that was away is heard, or what it
    /// had said ages out; what is taken for associated by one side alone ends; and a failed request is tried again.
    func mending(vsis: Int) -> Interval { .seconds(122 + 31) + .seconds(60) + stationAgeing(vsis: vsis) }
}
