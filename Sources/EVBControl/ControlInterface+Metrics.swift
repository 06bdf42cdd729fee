extension ControlInterface {
    /// The types of GetMetrics.
    static let metricsTypes = """
        # How often something took how long. bounds: the upper ends of the buckets in microseconds, which belong to
        # them; counts has one bucket more, for what took longer. sumMicroseconds: of all.
        type Histogram (bounds: []int, counts: []int, sumMicroseconds: int)

        # How many problems of a kind there are now; kind as in Problem and Note.
        type ProblemCount (kind: string, count: int)

        # The process of evbd. computedMicroseconds: of all its threads; startedMilliseconds: since 1970 (UTC).
        type Process (
          residentOctets: int,
          virtualOctets: int,
          openDescriptors: int,
          descriptorsMax: int,
          computedMicroseconds: int,
          startedMilliseconds: int
        )

        # The numbers of the daemon itself. turns: of its loop, which does nothing else for so long. mostComputed: by the loop
        # in one turn; null from an evbd that does not say so.
        type DaemonMetrics (
          version: string,
          counters: [string]int,
          problems: []ProblemCount,
          process: Process,
          turns: Histogram,
          longestTurnMicroseconds: int,
          mostComputedMicroseconds: ?int,
          typeServers: []TypeServer
        )

        # The numbers of a port. associationTimes: from a request for an association to its grant. ecpRoundTrips: from the
        # first sending of an ECPDU to its acknowledgement. dropped: by the rules of VSI types; null where there are none.
        type PortMetrics (
          port: Port,
          counters: [string]int,
          problems: []ProblemCount,
          associationTimes: Histogram,
          ecpRoundTrips: Histogram,
          dropped: ?TrafficCounts
        )

        # Frames in one direction. drops is null where drops are not counted for each VSI.
        type TrafficCounts (frames: int, octets: int, drops: ?int)

        # What a VSI's machine sends and receives, since its link or its rules are there; null is not counted.
        type Traffic (sent: ?TrafficCounts, received: ?TrafficCounts)

        # The numbers of a VSI.
        type VSIMetrics (port: string, role: (station, bridge), vsiID: string, traffic: Traffic)

        # A part of the numbers; one of the keys has a value.
        type Metrics (daemon: ?DaemonMetrics, port: ?PortMetrics, vsi: ?VSIMetrics)


        """
}
